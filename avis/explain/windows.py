"""What windows of one recording find in windows of the other: the second exact route.

A side is embedded as the mean of its windows' embeddings, so that a score of two sides is a sum over pairs of windows,
but for what is common to all voices, and for what PLDA makes of one side alone. It is another scorer than the one that
decides: windows are shorter than the recording, so that it errs more, and by how much belongs beside it
(`avis.explain.faithfulness`).
"""

import numpy as np
from numpy.typing import NDArray

from avis.audio.crop import windows
from avis.explain.heard import Heard
from avis.explain.record import Matrix
from avis.explain.side import Side
from avis.scoring.backend import Backend
from avis.verifier.embedder import Embedder
from avis.verifier.side_by_side import side_by_side

WINDOW_S, MOST_WINDOWS = 2.0, 24


def window_edges(num_samples: int, *, sample_rate: int) -> list[tuple[int, int]]:
    """Return first and last sample of windows side by side, of one length; of long recordings they are longer.

    >>> window_edges(48000, sample_rate=16000)
    [(0, 24000), (24000, 48000)]
    """
    longest = max(round(WINDOW_S * sample_rate), -(-num_samples // MOST_WINDOWS))
    return [(start, start + num) for start, num in windows(num_samples, longest)]


def windows_matrix(
    embedder: Embedder,
    backend: Backend,
    sides: tuple[Side, Side],
    usual: NDArray[np.floating] | None = None,
    *,
    factor: float,
) -> Matrix | None:
    """Return what windows find in each other, in evidence of ``factor`` for each unit of the back-end's score.

    As in `avis.explain.shares`, only what differs from a usual voice counts, of which ``usual`` is the embedding
    ``[dim]``, or None, if it is not known. The result is None where a side is not at hand as audio.
    """
    if not (sides[0].heard and sides[1].heard):
        return None
    spans, recordings, vectors, whole = [], [], [], []
    for side in sides:
        edges = [window_edges(len(each.values), sample_rate=each.sample_rate) for each in side.heard]
        cuts = [each.values[start:end] for each, own in zip(side.heard, edges, strict=True) for start, end in own]
        embeddings = np.array(list(side_by_side(embedder.embedding_of, cuts)), np.float64)
        weights = np.concatenate([np.full(len(own), 1 / len(own) / len(edges)) for own in edges])
        matrix, offset = backend.affine_at(weights @ embeddings)
        of_usual = np.zeros_like(offset) if usual is None else usual @ matrix + offset
        vectors.append(weights[:, None] * (embeddings @ matrix + offset - of_usual))
        whole.append(weights @ embeddings @ matrix + offset)
        spans.append([span for each, own in zip(side.heard, edges, strict=True) for span in _given_s(each, own)])
        recordings.append([number for number, own in zip(side.numbers, edges, strict=True) for _ in own])
    form = backend.form()
    values = factor * (vectors[0] * form.cross) @ vectors[1].T
    total = factor * form.of(*whole)
    return Matrix(
        enroll=spans[0],
        test=spans[1],
        enroll_recording=recordings[0],
        test_recording=recordings[1],
        values=values.tolist(),
        total=total,
        rest=total - float(values.sum()),
    )


def _given_s(heard: Heard, edges: list[tuple[int, int]]) -> list[tuple[float, float]]:
    starts, ends = np.array(edges, np.float64).T
    return list(zip(heard.given_s(starts).tolist(), heard.given_s(ends, end=True).tolist(), strict=True))
