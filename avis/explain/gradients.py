"""Integrated gradients of the evidence on what the model reads, frame by frame.

From a recording's features at their mean over time, which sounds like nobody, to the features themselves: along the
straight line between them the gradient of the evidence tells what each frame changes. Norms are held as they are in
the trial, and so is, of what PLDA makes of a side alone, one of its two factors: as in `avis.explain.shares`, so that
evidence is linear in the embedding. What frames add up to is the evidence between both ends; by how
much they miss it is the completeness gap, which belongs beside them. What a front end itself heard is not asked: a
self-supervised one, too, counts as given.

References
----------
M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks", ICML 2017
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.audio.crop import windows
from avis.explain.side import Side
from avis.verifier.embedder import Embedder
from avis.verifier.side_by_side import side_by_side

STEPS = (5, 10, 20)
"""Gradients that are taken along the line, by the rule of Gauss and Legendre: more until the gap is small enough.

Five did for 6 of 8 recordings of a trained model, ten for the others; nested rules need 7 and 15.
"""

MOST_GAP = 0.05
"""Of what lies between both ends."""

NOTHING = 1e-6
"""Of the evidence at both ends, which is float32: if they differ by less, nothing lies between them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """Integrated gradients of a side.

    Attributes
    ----------
    frames : list (recordings) of float64 [frames]
        Of each of the model's frames, or of each sample where it reads samples.
    segments : list (recordings) of float64 [segments]
        Their sums: frames count where their middle lies.
    whole, baseline : float
        ``direction @ embedding`` of the side, and of what the line starts from.
    start : float64 [dim]
        The embedding that it starts from.
    num_steps : int
        Gradients that were taken of each window of a recording.
    """

    frames: list[NDArray[np.floating]]
    segments: list[NDArray[np.floating]]
    whole: float
    baseline: float
    start: NDArray[np.float64]
    num_steps: int

    @property
    def gap(self) -> float | None:
        """Which share of what lies between both ends is missed; None where nothing does."""
        between = self.whole - self.baseline
        if abs(between) <= NOTHING * max(abs(self.whole), abs(self.baseline)):
            return None
        return float(abs(sum(each.sum() for each in self.frames) - between) / abs(between))


Directions = tuple[NDArray[np.float64], NDArray[np.float64]]


def integrated_gradients(
    embedder: Embedder, sides: tuple[Side, Side], directions: Directions
) -> tuple[Gradients | None, Gradients | None]:
    """Return the integrated gradients of either side's embedding along a direction; None where there is no recording.

    Parameters
    ----------
    embedder : Embedder
    sides : (Side, Side)
    directions : (float64 [dim], float64 [dim])
        See `avis.explain.shares.directions`.
    """
    lines = [*side_by_side(lambda window: _line(embedder, window), _windows(embedder, sides, directions))]
    found: list[Gradients | None] = [None, None]
    sought = {line.window.side for line in lines}
    for num_steps in STEPS:
        nodes, weights = np.polynomial.legendre.leggauss(num_steps)
        places = [place for place, line in enumerate(lines) if line.window.side in sought]
        tasks = [(place, (1 + node) / 2) for place in places for node in nodes.tolist()]
        slopes = side_by_side(lambda task: _slopes(embedder, lines[task[0]], task[1]), tasks)
        frames: dict[int, NDArray[np.floating]] = {
            place: weights / 2 @ np.stack([next(slopes) for _ in nodes]) for place in places
        }
        for number in sorted(sought):
            own = [(lines[place], frames[place]) for place in places if lines[place].window.side == number]
            whole = float(sides[number].embedding @ directions[number])
            gradients = _gathered(sides[number], own, whole=whole, num_steps=num_steps)
            found[number] = gradients
            if gradients.gap is None or gradients.gap < MOST_GAP:
                sought.remove(number)
    return found[0], found[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Window:
    """A window of a recording, and what it counts: see `avis.audio.crop.windows`."""

    side: int
    recording: int
    start: int
    values: NDArray[np.int16]
    weighted_direction: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Line:
    """The line from a window's mean features ``[1, dim]`` to its features ``[frames, dim]``, and where it starts."""

    window: _Window
    mean: torch.Tensor
    features: torch.Tensor
    start: torch.Tensor

    @property
    def middles(self) -> NDArray[np.floating]:
        """Where frames lie, in samples of what was heard."""
        num = len(self.features)
        return self.window.start + (np.arange(num) + 0.5) * (len(self.window.values) / num)


def _windows(embedder: Embedder, sides: tuple[Side, Side], directions: Directions) -> Iterator[_Window]:
    for number, (side, direction) in enumerate(zip(sides, directions, strict=True)):
        for recording, heard in enumerate(side.heard):
            stretches = windows(len(heard.values), embedder.longest)
            weighted = torch.from_numpy(direction / len(stretches) / len(side.heard)).float()
            for start, num in stretches:
                values = heard.values[start : start + num]
                yield _Window(side=number, recording=recording, start=start, values=values, weighted_direction=weighted)


@torch.no_grad()
def _line(embedder: Embedder, window: _Window) -> _Line:
    features = embedder.front_end(torch.from_numpy(to_float(window.values)))
    mean = features.mean(dim=0, keepdim=True)
    start = embedder.model(mean.expand_as(features)[None])[0].float()
    return _Line(window=window, mean=mean, features=features, start=start)


@torch.enable_grad()
def _slopes(embedder: Embedder, line: _Line, place: float) -> NDArray[np.float64]:
    """Return how steeply the evidence rises by each frame at a place on the line, ``[frames]``."""
    features = torch.lerp(line.mean, line.features, place).requires_grad_()
    evidence = embedder.model(features[None])[0].float() @ line.window.weighted_direction
    (gradient,) = torch.autograd.grad(evidence, features)
    return (gradient * (line.features - line.mean)).sum(dim=1).double().numpy()


def _gathered(
    side: Side, lines: list[tuple[_Line, NDArray[np.floating]]], *, whole: float, num_steps: int
) -> Gradients:
    """Return what frames of a side's windows add, recording by recording."""
    frames: list[NDArray[np.floating]] = []
    segments: list[NDArray[np.floating]] = []
    of_recordings = []
    for number, heard in enumerate(side.heard):
        here = [(line, added) for line, added in lines if line.window.recording == number]
        of_recordings.append(np.mean([line.start.double().numpy() for line, _ in here], axis=0))
        middles, added = (
            np.concatenate(each) for each in zip(*((line.middles, added) for line, added in here), strict=True)
        )
        segment = np.searchsorted(heard.edges[1:-1], middles, side="right")
        frames.append(added)
        sums = np.zeros(len(heard.edges) - 1)
        np.add.at(sums, segment, added)
        segments.append(sums)
    return Gradients(
        frames=frames,
        segments=segments,
        whole=whole,
        baseline=sum(float(line.start @ line.window.weighted_direction) for line, _ in lines),
        start=np.mean(of_recordings, axis=0),
        num_steps=num_steps,
    )
