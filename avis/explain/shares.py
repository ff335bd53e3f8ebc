"""What each stretch of speech adds to a score, exactly: the pooling route.

An embedding is a sum over the frames that were pooled and a rest (`avis.models.pooled.decompose`); with its norm held,
a back-end's vector is an affine map of it, and a score a bilinear form of two vectors, with PLDA also a quadratic form
of each. So a score is a sum over frames. The part that both sides make together is halved between them, or given whole
to the side that can be taken apart where the other cannot.

A share is what a frame contributes to the final score as it was computed. It is not what removing the frame would do:
frames have heard their surroundings, attention and gates the whole recording, and norms would change. So removal is
shown beside it: `avis.explain.removal`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avis.explain.side import Side
from avis.scoring.backend import Backend, QuadraticForm


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """One side's vector, taken apart.

    Attributes
    ----------
    whole, rest : float64 [columns]
        The vector, and what of it is of no frame.
    matrix : float64 [dim, columns]
        What a part of the embedding becomes.
    share : float
        Of what both sides make together.
    """

    whole: NDArray[np.float64]
    rest: NDArray[np.float64]
    matrix: NDArray[np.float64]
    share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """Where a back-end's score comes from.

    Attributes
    ----------
    segments, frames : list (sides) of list (recordings) of float64
        Adds up, with ``rest`` and ``constant``, to the score; either of the two alone does.
    rest : list (sides) of float
    constant : float
        The back-end's.
    """

    segments: list[list[NDArray[np.float64]]]
    frames: list[list[NDArray[np.float64]]]
    rest: list[float]
    constant: float


def take_apart(backend: Backend, sides: tuple[Side, Side]) -> tuple[Taken, Taken]:
    """Return both sides' vectors, each as a sum."""
    even = sides[0].divisible == sides[1].divisible
    return tuple(  # type: ignore[return-value]
        _taken(backend, side, share=0.5 if even else float(side.divisible)) for side in sides
    )


def _taken(backend: Backend, side: Side, *, share: float) -> Taken:
    embedding = side.embedding
    matrix, offset = backend.affine_at(embedding)
    whole = embedding @ matrix + offset
    rest = np.mean([each.rest for each in side.heard], axis=0) @ matrix + offset if side.divisible else whole
    return Taken(whole=whole, rest=rest, matrix=matrix, share=share)


def shares(backend: Backend, sides: tuple[Side, Side], taken: tuple[Taken, Taken]) -> Shares:
    """Return what segments, frames and the rest of either side add to the back-end's score."""
    form = backend.form()
    segments, frames, rest = [], [], []
    for side, own, other in zip(sides, taken, taken[::-1], strict=True):
        direction = pull(form, own, other)
        of_embedding = own.matrix @ direction / max(1, len(side.heard))
        divisible = side.heard if side.divisible else []
        segments.append([each.of_segments @ of_embedding for each in divisible])
        frames.append([each.of_frames @ of_embedding for each in divisible])
        rest.append(float(own.rest @ direction))
    return Shares(segments=segments, frames=frames, rest=rest, constant=form.constant)


def pull(form: QuadraticForm, own: Taken, other: Taken) -> NDArray[np.float64]:
    """Return what each column of a side's vector adds to the score for each unit, ``[columns]``."""
    return own.share * form.cross * other.whole + form.own * own.whole


def directions(
    backend: Backend, taken: tuple[Taken, Taken], *, factor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what either side's embedding ``[dim]`` is multiplied by in ``factor`` times the score, norms held.

    With PLDA that is what both make together and what the side makes alone.
    """
    form = backend.form()
    one, other = (replace(each, share=1.0) for each in taken)
    return factor * one.matrix @ pull(form, one, other), factor * other.matrix @ pull(form, other, one)


def pairs(backend: Backend, sides: tuple[Side, Side], taken: tuple[Taken, Taken]) -> NDArray[np.float64]:
    """Return what each segment of one side finds in each of the other, ``[enrolment's segments, test's]``.

    What is of no frame, such as the mean that a back-end subtracts, counts here with every segment by its length:
    without it all voices are alike. What PLDA makes of one side alone is in none.
    """
    vectors = [_of_segments(side, own) for side, own in zip(sides, taken, strict=True)]
    return (vectors[0] * backend.form().cross) @ vectors[1].T


def _of_segments(side: Side, own: Taken) -> NDArray[np.float64]:
    of_frames = np.concatenate([each.of_segments for each in side.heard]) @ own.matrix
    lengths = np.concatenate([np.diff(each.edges) / len(each.values) for each in side.heard])
    return (of_frames + lengths[:, None] * own.rest) / len(side.heard)
