"""Explain some trials of a list, from the recordings of a store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from avis.audio.recording import Recording
from avis.engine.trials.recordings import Place, as_taken_in, read_recordings
from avis.explain.explain import explain
from avis.explain.record import Explanation
from avis.explain.scale import Scale
from avis.schema import EXPLAINED, UNEXPLAINED
from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.folder import Parts
from avis.verifier.verifier import Verifier

OF_TASKS = ("number", "enrolled", "places")
"""Columns of a task beside those of its trials; see `Explainer`."""


class StoredVerifier(Verifier):
    """A verifier that hears utterances of a store by their ids, as `avis.engine.score.score` does.

    What is stored was taken in before: it is neither trimmed nor measured again. Of several utterances of a person the
    seconds of speech count together.

    Attributes
    ----------
    stored : dict
        Rows of the utterances, by their ids.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.stored: dict[str, dict[str, Any]] = {}

    def hear(self, source: Source) -> Recording | Voiceprint:
        """Take an utterance of the store in, or any other recording."""
        if isinstance(source, str) and source in self.stored:
            return self.heard(as_taken_in(self.stored[source]))
        return super().hear(source)

    def voiceprint_of(self, embeddings: NDArray[np.float32], speech_s: float) -> Voiceprint:
        """Return the voiceprint of embeddings ``[recordings, dim]`` of one voice, of so many seconds on average."""
        return super().voiceprint_of(embeddings, len(embeddings) * speech_s)


class Explainer:
    """Explain one part of a list; see `avis.engine.workers.parts.PartMaker`.

    Parameters
    ----------
    parts : callable
        Returns those of the verifier.
    scale : Scale
        Words for ratios.
    prior : float or None
    checks : bool
        See `avis.explain.explain.explain`.
    """

    def __init__(self, parts: Callable[[], Parts], *, scale: Scale, prior: float | None, checks: bool) -> None:
        self.verifier, self.scale, self.prior, self.checks = StoredVerifier(parts()), scale, prior, checks

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the explanations of trials, and those that there are none of with the reason.

        Parameters
        ----------
        task : pyarrow.Table
            Trials with their columns in the scores table, their ``number``, the ids of the utterances ``enrolled``, and
            ``places``: ``{utt_id, uri, group}`` of all their utterances.
        """
        self.verifier.stored = read_recordings(places_of(task))
        explained, made, failed = [], [], []
        with one_thread():
            for row, trial in enumerate(task.select(["number", "enroll", "test", "enrolled"]).to_pylist()):
                try:
                    made.append(_told(trial["number"], self._explanation(trial)))
                    explained.append(row)
                except ValueError as error:
                    failed.append({**trial, "reason": str(error)})
        trials = task.drop_columns(list(OF_TASKS)).take(pa.array(explained, pa.int64()))
        told = pa.Table.from_pylist(made, schema=EXPLAINED)
        for field in EXPLAINED:
            trials = trials.append_column(field, told[field.name])
        return {"explanations": trials, "unexplained": pa.Table.from_pylist(failed, schema=UNEXPLAINED)}

    def _explanation(self, trial: dict[str, Any]) -> Explanation:
        enrolled = list(trial["enrolled"])
        return explain(self.verifier, enrolled, trial["test"], prior=self.prior, scale=self.scale, checks=self.checks)


def places_of(task: pa.Table) -> dict[str, Place]:
    """Return where the utterances of a task's trials lie."""
    each = (place for places in task["places"].to_pylist() for place in places)
    return {place["utt_id"]: Place(place["uri"], place["group"]) for place in each}


def _told(number: int, explanation: Explanation) -> dict[str, Any]:
    low, high = explanation.llr_interval or (None, None)
    return {
        "number": number,
        "outcome": explanation.outcome,
        "score_again": explanation.score,
        "evidence": explanation.llr,
        "evidence_low": low,
        "evidence_high": high,
        "verbal": explanation.verbal,
        "num_warnings": len(explanation.warnings),
        "explanation": explanation.model_dump_json(),
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch take one thread within: on another number of them, sums are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
