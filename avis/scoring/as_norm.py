"""AS-norm: put a trial's score in relation to the scores of its two sides with the nearest of many other speakers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.scoring.length_norm import check_embeddings, length_normalize
from avis.scoring.scatter import speaker_scatter

MIN_DEVIATION = 1e-6


class AsNorm:
    """Normalise another back-end's scores by a cohort of the training speakers.

    The cohort are the training speakers' mean embeddings. With mean and standard deviation of the ``top_n`` highest
    scores of each side against the cohort, a trial's score becomes the mean of its two standard scores. An utterance's
    statistics are computed once, in `transform`, which appends them to its vector.

    Parameters
    ----------
    backend
        A back-end of this package.
    top_n
        Cohort speakers that count on each side; all of them where there are fewer.

    References
    ----------
    Matejka et al., "Analysis of Score Normalization in Multilingual Speaker Recognition", 2017, section 2.4 (S-norm1
    with an adaptive cohort). Cohort of speaker means and population deviation as in wespeaker.
    """

    def __init__(self, *, backend: Any, top_n: int) -> None:
        if top_n < 2:
            raise ValueError(
                f"A deviation needs two scores: got top_n={top_n}, expected at least 2. At scoring.backend.top_n. "
                "Raise it."
            )
        self.backend, self.top_n = backend, top_n
        self._cohort: NDArray[np.float32] | None = None

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Fit the back-end and keep the cohort, from embeddings ``[utterances, dim]`` and speakers ``[utterances]``."""
        self.backend.fit(embeddings, speakers)
        means = speaker_scatter(length_normalize(check_embeddings(embeddings)), speakers).means
        self._cohort = self.backend.transform(means)

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the back-end's vectors with their cohort statistics behind, float32 ``[utterances, dim + 2]``."""
        assert self._cohort is not None, "fit or restore the back-end before it transforms"
        vectors = self.backend.transform(embeddings)
        against = [self.backend.score(vectors, np.broadcast_to(speaker, vectors.shape)) for speaker in self._cohort]
        return np.column_stack([vectors, *top_statistics(np.stack(against, axis=1), self.top_n)]).astype(np.float32)

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` pair by pair, float32 ``[trials]``."""
        scores = self.backend.score(enroll[:, :-2], test[:, :-2])
        sides = [(scores - side[:, -2]) / side[:, -1] for side in (enroll, test)]
        return np.asarray((sides[0] + sides[1]) / 2, dtype=np.float32)

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep."""
        assert self._cohort is not None, "fit the back-end before its state is kept"
        return {"cohort": self._cohort} | {f"backend.{key}": value for key, value in self.backend.state().items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        assert "cohort" in state, f"state of another back-end: {sorted(state)}"
        self._cohort = state["cohort"]
        self.backend.restore({key.removeprefix("backend."): value for key, value in state.items() if key != "cohort"})


def top_statistics(scores: NDArray[np.floating], top_n: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return mean and population standard deviation of each row's ``top_n`` highest scores.

    Parameters
    ----------
    scores
        Of each utterance against the cohort, ``[utterances, cohort]``.

    Examples
    --------
    >>> top_statistics(np.array([[0.0, 4.0, 2.0]]), 2)
    (array([3.]), array([1.]))
    """
    top = np.sort(scores, axis=1)[:, -top_n:]
    return top.mean(axis=1), np.maximum(top.std(axis=1), MIN_DEVIATION)
