"""Transform embeddings for scoring, each once, on a pool of actors where there are many."""

import functools
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis import location, store
from avis.digest import array_digest, fingerprint
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.scoring.backend import Backend, Stateful

UTTERANCES_PER_PART = 4096


class EmbeddingTransformer:
    """Transform one part of the embeddings for scoring; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, backend: Backend, embeddings: Callable[[], NDArray[np.float32]]) -> None:
        self.backend, self.embeddings = backend, embeddings()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the vectors of the rows from ``start`` to ``stop``."""
        start, stop = task["start"][0].as_py(), task["stop"][0].as_py()
        vectors = self.backend.transform(self.embeddings[start:stop])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"vectors": pa.table({"vector": column})}


def transform(backend: Backend, embeddings: NDArray[np.float32], run_dir: str, compute: Compute) -> NDArray[np.float32]:
    """Transform embeddings ``[utterances, dim]`` for scoring, on all workers where there are many."""
    tasks = spans(len(embeddings), UTTERANCES_PER_PART)
    if len(tasks) < 2:
        return np.asarray(backend.transform(embeddings))
    inputs = fingerprint([state_digest(backend), array_digest(embeddings)])
    uri = location.join(run_dir, "vectors", inputs)
    if not store.finished(uri, inputs):
        make = functools.partial(EmbeddingTransformer, backend, shared_by_workers(embeddings, compute))
        run_parts(uri, tasks, make, compute=compute, label="transform embeddings")
        store.finish(uri, parts=tasks, inputs=inputs, facts={})
    column = store.read_table(uri, "vectors")["vector"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def spans(num: int, per_part: int) -> dict[str, pa.Table]:
    """Cut rows into parts: tasks of `avis.engine.workers.parts.run_parts` with ``start`` and ``stop``."""
    starts = range(0, num, per_part)
    return {
        f"part-{number:05d}": pa.table({"start": [start], "stop": [min(start + per_part, num)]})
        for number, start in enumerate(starts)
    }


def state_digest(fitted: Stateful) -> dict[str, str]:
    """Return the SHA-256 of each array that a back-end or a calibration has learnt."""
    return {key: array_digest(value) for key, value in fitted.state().items()}
