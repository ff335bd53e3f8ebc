"""What a trial's evidence would be, were recordings of a side otherwise."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from avis.explain.judge import Judge
from avis.explain.side import Side
from avis.verifier.embedder import Embedder
from avis.verifier.side_by_side import side_by_side

Made = Callable[[], NDArray[np.int16]]
"""What makes a recording: many are not held at once."""


def embed_all(embedder: Embedder, recordings: Iterable[Made]) -> NDArray[np.float64]:
    """Make and embed recordings side by side: ``[recordings, dim]``."""
    embeddings = [*side_by_side(lambda make: embedder.embedding_of(make()), recordings)]
    return np.array(embeddings, np.float64).reshape(-1, embedder.dim)


def with_changed(side: Side, recording: int, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a side's embedding with others ``[..., dim]`` in place of that of one of its recordings, as many."""
    return side.embedding + (embeddings - side.heard[recording].embedding) / len(side.heard)


def falls(judge: Judge, side: Side, embeddings: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return by how much the evidence falls with each of some embeddings ``[dim]`` in place of a side's."""
    return judge.as_it_was() - judge.evidence(side.name, np.stack(embeddings))
