"""A chain of steps with a back-end at its end, such as LDA, whitening, PLDA."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from avis.scoring.additive import Affine, QuadraticForm
from avis.scoring.backend import AdaptableBackend, Backend, NormalizedBackend, Step


class Chain(Backend):
    """Fit each step on what the steps before it make of the training embeddings.

    Parameters
    ----------
    steps : sequence of Step, then Backend
        What maps embeddings to embeddings, such as `avis.scoring.projection.Projection` and
        `avis.scoring.length_norm.LengthNorm`, and last a back-end, whose scores are the chain's.

    Examples
    --------
    >>> from avis.scoring.cosine import Cosine
    >>> from avis.scoring.length_norm import LengthNorm
    >>> Chain(steps=[LengthNorm(), Cosine(center=False)]).transform(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, *, steps: Sequence[Step | Backend]) -> None:
        before, last = [step for step in steps[:-1] if isinstance(step, Step)], steps[-1] if steps else None
        if len(before) < len(steps) - 1 or not isinstance(last, Backend):
            raise ValueError(
                f"A chain ends with the one step that scores: got {[type(step).__name__ for step in steps]}, expected "
                "steps that project, then a back-end. At scoring.backend.steps. Correct the list."
            )
        self.steps, self.backend = before, last

    @property
    def needs_fit(self) -> bool:
        """Whether any step has anything to learn from training speakers."""
        return any(step.needs_fit for step in [*self.steps, self.backend])

    @property
    def adaptable(self) -> AdaptableBackend | None:
        """The chain itself if its back-end is adaptable, else None."""
        return self if self.backend.adaptable else None

    @property
    def normalized(self) -> NormalizedBackend | None:
        """What the chain ends in if that normalises scores, else None: it takes rows of the chain's `transform`."""
        return self.backend.normalized

    def fit(self, embeddings: NDArray[np.floating], speakers: NDArray) -> None:
        """Fit all steps, in order, on embeddings ``[utterances, dim]`` and their speakers ``[utterances]``."""
        for step in self.steps:
            step.fit(embeddings, speakers)
            embeddings = step.project(embeddings)
        self.backend.fit(embeddings, speakers)

    def adapt(self, embeddings: NDArray[np.floating]) -> None:
        """Adapt the back-end to unlabelled embeddings ``[utterances, dim]``; the steps stay as they are."""
        assert self.backend.adaptable, "the back-end of the chain does not adapt"
        self.backend.adaptable.adapt(self._project(embeddings))

    def transform(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return vectors for `score`, float32 ``[utterances, back-end's dim]``."""
        return self.backend.transform(self._project(embeddings))

    def _project(self, embeddings: NDArray[np.floating]) -> NDArray[np.floating]:
        for step in self.steps:
            embeddings = step.project(embeddings)
        return embeddings

    def affine_at(self, embedding: NDArray[np.floating]) -> Affine:
        """Return the maps of all steps, one after the other; see `avis.scoring.backend.Backend.affine_at`."""
        maps = []
        for step in self.steps:
            maps.append(step.projection_at(embedding))
            embedding = step.project(embedding[None])[0]
        return reduce(Affine.then, [*maps, self.backend.affine_at(embedding)])

    def form(self) -> QuadraticForm:
        """Return the form of the back-end at the end."""
        return self.backend.form()

    def score(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows of `transform` pair by pair, float32 ``[trials]``."""
        return self.backend.score(enroll, test)

    def score_matrix(self, enroll: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every row of ``enroll`` against every row of ``test``, float32 ``[enroll, test]``."""
        return self.backend.score_matrix(enroll, test)

    def state(self) -> dict[str, NDArray]:
        """Return what all steps learnt, under ``<number of the step>.<name>``."""
        steps = enumerate([*self.steps, self.backend])
        return {f"{number}.{key}": value for number, step in steps for key, value in step.state().items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        for number, step in enumerate([*self.steps, self.backend]):
            own = {key.split(".", 1)[1]: value for key, value in state.items() if key.split(".", 1)[0] == str(number)}
            step.restore(own)
