"""What segments come first by each route of an explanation, and by what needs none."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.audio.crop import windows
from avis.audio.vad import find_speech
from avis.explain.faithfulness.orders import Direction
from avis.explain.heard import Heard
from avis.explain.record import By, Matrix, Segment
from avis.explain.side import Side
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.verifier.embedder import Embedder
from avis.verifier.side_by_side import side_by_side

Priorities = dict[By, NDArray[np.float64]]


def own_embeddings(embedder: Embedder, side: Side) -> NDArray[np.float64]:
    """Embed each segment of a side's recordings by itself, in their order, ``[segments, dim]``."""
    cuts = [
        each.values[start:end]
        for each in side.heard
        for start, end in zip(each.edges[:-1], each.edges[1:], strict=True)
    ]
    return np.array(list(side_by_side(embedder.embedding_of, cuts)), np.float64).reshape(-1, embedder.dim)


def by_routes(segments: Sequence[Segment], windows_matrix: Matrix | None, *, toward: Direction) -> Priorities:
    """Return the test's evidence for a decision by segment, of each route that an explanation has taken.

    Parameters
    ----------
    segments : sequence of Segment
        Of both sides.
    windows_matrix : Matrix or None
        See `avis.explain.record.Explanation.windows`: what a window finds counts evenly along it.
    toward : {1, -1}
        See `avis.explain.faithfulness.orders.Direction`.
    """
    of_test = [each for each in segments if each.side == "test"]
    routes: dict[By, list[float | None]] = {
        "share": [each.llr for each in of_test],
        "splice": [each.removed.get("splice") for each in of_test],
        "mean": [each.removed.get("mean") for each in of_test],
        "noise": [each.removed.get("noise") for each in of_test],
        "shapley": [each.shapley for each in of_test],
        "gradient": [each.gradient for each in of_test],
    }
    tried = {by: toward * np.array(values, np.float64) for by, values in routes.items() if None not in values}
    if windows_matrix is not None:
        tried["windows"] = toward * _of_columns(windows_matrix, of_test)
    return tried


def _of_columns(matrix: Matrix, of_test: Sequence[Segment]) -> NDArray[np.float64]:
    """Return what all windows of the enrolment find in each segment of the test, ``[segments]``."""
    columns = np.sum(matrix.values, axis=0)
    starts, ends = np.array(matrix.test, np.float64).T
    return np.array(
        [
            float(
                (columns * (matrix.test_recording == np.int64(each.recording)))
                @ (np.clip(np.minimum(ends, each.end_s) - np.maximum(starts, each.start_s), 0, None) / (ends - starts))
            )
            for each in of_test
        ]
    )


def by_baselines(embedder: Embedder, side: Side) -> Priorities:
    """Return the energy of a side's segments, their seconds of speech and, where the pooling has any, its attention."""
    priorities: Priorities = {
        "energy": np.concatenate([_in_segments(each, np.square(to_float(each.values))) for each in side.heard]),
        "speech": np.concatenate([_in_segments(each, _is_speech(each)) for each in side.heard]),
    }
    attention = [attention_of(embedder, each) for each in side.heard]
    if known := [each for each in attention if each is not None]:
        priorities["attention"] = np.concatenate(known)
    return priorities


def _in_segments(heard: Heard, of_samples: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.add.reduceat(np.asarray(of_samples, np.float64), heard.edges[:-1])


def _is_speech(heard: Heard) -> NDArray[np.float64]:
    is_speech = np.zeros(len(heard.values))
    for start, end in find_speech(to_float(heard.values), sample_rate=heard.sample_rate, vad="energy"):
        is_speech[start:end] = 1 / heard.sample_rate
    return is_speech


@torch.inference_mode()
def attention_of(embedder: Embedder, heard: Heard) -> NDArray[np.float64] | None:
    """Return what of the pooling's weight, averaged over channels, lies on each segment, ``[segments]``.

    None where the pooling weighs no frames, or the embedding cannot be taken apart.
    """
    model = embedder.model
    if not (isinstance(model, PooledModel) and isinstance(model.pooling, AttentiveStatisticsPooling)):
        return None
    if not len(heard.of_frames):
        return None
    weights = []
    for start, num in windows(len(heard.values), embedder.longest):
        features = embedder.front_end(torch.from_numpy(to_float(heard.values[start : start + num])))
        weights.append(model.pooling.attention_weights(*model.pooled_frames(features[None]))[0].mean(dim=0))
    of_frames = torch.cat(weights).double().numpy() / len(weights)
    return heard.in_segments(of_frames)
