"""A recording as a model heard it: what it came to, frame by frame, and where each of its samples was."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.audio.crop import windows
from avis.explain.segments import cut
from avis.models.decomposition import decompose
from avis.verifier.embedder import Embedder, Source, Voiceprint


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """A recording as a model heard it.

    Attributes
    ----------
    voiceprint : Voiceprint
        Of `embedding`.
    values : int16 [samples]
        What was heard of it: see `avis.audio.recording.Recording`.
    kept : int64 [stretches, 2]
        Where that was in the recording as given.
    sample_rate : int
        In Hz, of both.
    edges : int64 [segments + 1]
        Of the segments that it is told in, in samples of ``values``.
    embedding, rest : float64 [dim]
        The embedding, and what of it is of no frame: all of it where it cannot be taken apart.
    of_frames : float64 [frames, dim]
        What each pooled frame adds to the embedding.
    frame_edges : float64 [frames + 1]
        Where frames lie, in samples of ``values``.
    """

    voiceprint: Voiceprint
    values: NDArray[np.int16]
    kept: NDArray[np.int64]
    sample_rate: int
    edges: NDArray[np.int64]
    embedding: NDArray[np.float64]
    rest: NDArray[np.float64]
    of_frames: NDArray[np.float64]
    frame_edges: NDArray[np.float64]

    @property
    def frame_lengths(self) -> NDArray[np.float64]:
        """Which part of what was heard each frame stands for, ``[frames]``: of all frames 1."""
        return np.diff(self.frame_edges) / len(self.values)

    def in_segments(self, of_frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up values of frames ``[frames, ...]`` by segment ``[segments, ...]``, each where its middle lies."""
        middles = (self.frame_edges[:-1] + self.frame_edges[1:]) / 2
        segment = np.searchsorted(self.edges[1:-1], middles, side="right")
        sums = np.zeros((len(self.edges) - 1, *of_frames.shape[1:]))
        np.add.at(sums, segment, of_frames)
        return sums

    def given_s(self, places: NDArray[np.number], *, end: bool = False) -> NDArray[np.float64]:
        """Return where places in ``values`` lie, in seconds of the recording as given.

        Where something was cut away there are two answers: the beginning of the stretch after it or, with ``end``, the
        end of the one before it.
        """
        before = np.append(0, np.cumsum(self.kept[:, 1] - self.kept[:, 0]))[:-1]
        stretch = np.searchsorted(before, places, side="left" if end else "right") - 1
        stretch = np.maximum(stretch, 0)
        return (self.kept[stretch, 0] + np.asarray(places, np.float64) - before[stretch]) / self.sample_rate

    def spans_s(self, edges: NDArray[np.number]) -> list[tuple[float, float]]:
        """Return where stretches between edges in ``values`` begin and end, in seconds of the recording as given."""
        starts, ends = self.given_s(edges[:-1]), self.given_s(edges[1:], end=True)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))


def hear(embedder: Embedder, source: Source | Voiceprint) -> Heard | Voiceprint:
    """Take a recording in and embed it, in parts where the model allows; raises what `Embedder.embed` does.

    Returns the voiceprint alone where nobody speaks, and where a voiceprint is all that there is.
    """
    if isinstance(source, Voiceprint):
        return embedder.embed(source)
    recording = embedder.hear(source)
    if isinstance(recording, Voiceprint):
        return recording
    values, rate = recording.values, embedder.hearing.sample_rate
    embedding, rest, of_frames, frame_edges = _in_parts(embedder, values)
    return Heard(
        voiceprint=embedder.voiceprint(recording, embedding.astype(np.float32)),
        values=values,
        kept=recording.kept,
        sample_rate=rate,
        edges=cut(to_float(values), sample_rate=rate),
        embedding=embedding,
        rest=rest,
        of_frames=of_frames,
        frame_edges=frame_edges,
    )


@torch.inference_mode()
def _in_parts(embedder: Embedder, values: NDArray[np.int16]) -> tuple[NDArray[np.float64], ...]:
    """Return embedding, rest, what is of frames, and their edges; long recordings are the mean of their windows."""
    parts, edges = [], [np.zeros(1)]
    stretches = windows(len(values), embedder.longest)
    for start, num in stretches:
        features = embedder.front_end(torch.from_numpy(to_float(values[start : start + num])))
        part = decompose(embedder.model, features)
        if part is None:
            whole = embedder.embedding_of(values).astype(np.float64)
            return whole, whole, np.zeros((0, whole.size)), np.zeros(1)
        parts.append([each.double().numpy() / len(stretches) for each in (part.embedding, part.rest, part.of_frames)])
        inner = part.first_frame + part.frame_stride * np.arange(1, len(part.of_frames))
        edges.append(start + num * np.append(np.clip(inner / len(features), 0.0, 1.0), 1.0))
    embeddings, rests, of_frames = zip(*parts, strict=True)
    return sum(embeddings), sum(rests), np.concatenate(of_frames), np.concatenate(edges)
