"""What each stretch of speech adds to a score, exactly: the pooling route.

An embedding is a sum over the frames that were pooled and a rest (`avis.models.pooled.decompose`); with its norm held,
a back-end's vector is an affine map of it, and a score a bilinear form of two vectors, with PLDA also a quadratic form
of each. So a score is a sum over frames. All recordings are alike in much, though, of which no frame tells anything:
so what counts of a frame is by how much it moves the embedding away from that of a usual voice, a frame of which stands
for its part of the recording's length, and what that comes to with the other side's distance from a usual voice. What
either side has in common with usual voices is `Shares.common`.

The part that both sides make together is halved between them, or given whole to the side that can be taken apart where
the other cannot.

A share is what a frame contributes to the final score as it was computed. It is not what removing the frame would do:
frames have heard their surroundings, attention and gates the whole recording, and norms would change. So removal is
shown beside it: `avis.explain.removal`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avis.explain.side import Side
from avis.scoring.additive import Affine
from avis.scoring.backend import Backend, QuadraticForm


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """One side's vector, taken apart.

    Attributes
    ----------
    whole, usual : float64 [columns]
        The vector, and that of a usual voice.
    affine : Affine
        What a part of the embedding becomes.
    share : float
        Of what both sides make together.
    """

    whole: NDArray[np.float64]
    usual: NDArray[np.float64]
    affine: Affine
    share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """Where a back-end's score comes from.

    Attributes
    ----------
    segments, frames : list (sides) of list (recordings) of float64
        Adds up, with ``voices``, ``common`` and ``usual``, to the score; either of the two alone does.
    voices : list (sides) of float
        Of sides that cannot be taken apart; of the others 0.
    common : float
        What the two sides have in common with usual voices.
    usual : float
        What two usual voices would score, the norms of the sides' embeddings held.
    """

    segments: list[list[NDArray[np.float64]]]
    frames: list[list[NDArray[np.float64]]]
    voices: list[float]
    common: float
    usual: float


def take_apart(backend: Backend, sides: tuple[Side, Side], usual: NDArray[np.floating] | None) -> tuple[Taken, Taken]:
    """Return both sides' vectors, each as a sum.

    Parameters
    ----------
    backend : Backend
    sides : (Side, Side)
    usual : float [dim] or None
        Embedding of a usual voice. Where it is not known it is what the back-end subtracts, or, where that subtracts
        nothing, what of the embedding is of no frame.
    """
    even = sides[0].divisible == sides[1].divisible
    return tuple(  # type: ignore[return-value]
        _taken(backend, side, usual, share=0.5 if even else float(side.divisible)) for side in sides
    )


def _taken(backend: Backend, side: Side, usual: NDArray[np.floating] | None, *, share: float) -> Taken:
    matrix, offset = affine = backend.affine_at(side.embedding)
    if usual is not None:
        vector = usual @ matrix + offset
    elif side.divisible and not offset.any():
        vector = np.mean([each.rest for each in side.heard], axis=0) @ matrix
    else:
        vector = np.zeros_like(offset)
    return Taken(whole=side.embedding @ matrix + offset, usual=vector, affine=affine, share=share)


def shares(backend: Backend, sides: tuple[Side, Side], taken: tuple[Taken, Taken]) -> Shares:
    """Return what segments, frames and the rest of either side add to the back-end's score."""
    form = backend.form()
    segments, frames, voices = [], [], []
    for side, own, other in zip(sides, taken, taken[::-1], strict=True):
        direction = pull(form, own, other)
        of_recordings = [each @ direction for each in _of_frames(side, own)]
        frames.append(of_recordings)
        segments.append([heard.in_segments(each) for heard, each in zip(side.heard, of_recordings, strict=False)])
        voices.append(0.0 if side.divisible else float((own.whole - own.usual) @ direction))
    score, usual = (form.of(*(getattr(each, kind) for each in taken)) for kind in ("whole", "usual"))
    told = sum(float(each.sum()) for of_recordings in frames for each in of_recordings) + sum(voices)
    return Shares(segments=segments, frames=frames, voices=voices, common=score - told - usual, usual=usual)


def _of_frames(side: Side, own: Taken) -> Iterator[NDArray[np.float64]]:
    """Yield what each frame of each recording adds to the difference of a side's vector from a usual one."""
    matrix, offset = own.affine
    for heard in side.heard if side.divisible else ():
        of_no_frame = heard.rest @ matrix + offset - own.usual
        yield (heard.of_frames @ matrix + heard.frame_lengths[:, None] * of_no_frame) / len(side.heard)


def pull(form: QuadraticForm, own: Taken, other: Taken) -> NDArray[np.float64]:
    """Return what each column of a side's vector adds to the score for each unit, ``[columns]``."""
    return own.share * form.cross * (other.whole - other.usual) + form.own * (own.whole - own.usual)


def directions(
    backend: Backend, taken: tuple[Taken, Taken], *, factor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what either side's embedding ``[dim]`` is multiplied by in ``factor`` times the score, norms held.

    With PLDA that is what both make together and what the side makes alone.
    """
    form = backend.form()
    one, other = (replace(each, share=1.0, usual=np.zeros_like(each.usual)) for each in taken)
    return factor * one.affine.matrix @ pull(form, one, other), factor * other.affine.matrix @ pull(form, other, one)


def pairs(backend: Backend, sides: tuple[Side, Side], taken: tuple[Taken, Taken]) -> NDArray[np.float64]:
    """Return what each segment of one side finds in each of the other, ``[enrolment's segments, test's]``.

    As in `shares`, only what differs from a usual voice counts. What PLDA makes of one side alone is in none.
    """
    enroll, test = (
        np.concatenate([heard.in_segments(each) for heard, each in zip(side.heard, _of_frames(side, own), strict=True)])
        for side, own in zip(sides, taken, strict=True)
    )
    return (enroll * backend.form().cross) @ test.T
