"""Changes that alter nothing of what is said, or of the model, and should alter no map."""

import copy
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avis.audio.codec import to_float
from avis.explain.faithfulness.maps import Map, agreement, map_of, side
from avis.explain.faithfulness.randomised import with_model
from avis.explain.side import Side
from avis.models.pooled import PooledModel
from avis.verifier.embedder import Source
from avis.verifier.verifier import Verifier

NOISE_DB, SHIFT_S, PADDING_FRAMES = 40.0, 0.01, 100
"""How far noise is below the recording; what is cut off its beginning; frames of padding in a batch."""

Change = Literal["noise", "shift", "bfloat16", "float64", "padding"]
CHANGES: tuple[Change, ...] = ("noise", "shift", "bfloat16", "float64", "padding")


class Converted(nn.Module):
    """A front end, and something done to its features.

    Parameters
    ----------
    front_end : torch.nn.Module
    convert : callable
        Maps features to features.
    """

    def __init__(self, front_end: nn.Module, convert: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.front_end, self.convert = front_end, convert

    def forward(self, waveform: Tensor) -> Tensor:
        """Map ``[samples]`` to ``[frames, num_mels]``."""
        return self.convert(self.front_end(waveform))


class Padded(PooledModel):
    """A model that hears an utterance as the shorter of a batch: with zeros behind it, which it is told to ignore.

    Parameters
    ----------
    model : PooledModel
    """

    def __init__(self, model: PooledModel) -> None:
        super().__init__()
        self.model, self.pooling, self.embedding = model, model.pooling, model.embedding
        self.embedding_dim, self.affine_head = model.embedding_dim, model.affine_head
        self.frame_stride = model.frame_stride

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """See `avis.models.pooled.PooledModel.pooled_frames`."""
        if num_frames is None:
            num_frames = torch.full((len(features),), features.shape[1])
        return self.model.pooled_frames(nn.functional.pad(features, (0, 0, 0, PADDING_FRAMES)), num_frames)

    def first_frame(self, num_frames: int) -> float:
        """See `avis.models.pooled.PooledModel.first_frame`."""
        return self.model.first_frame(num_frames)

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `avis.models.pooled.PooledModel.embedding_head`."""
        return self.model.embedding_head(pooled)


def stability(verifier: Verifier, enroll: Source, test: Source) -> dict[Change, float]:
    """Return how well the map of a test recording agrees with itself after each change, by Spearman's rank correlation.

    ``noise`` adds white noise to the test 40 dB below it, and ``shift`` takes 10 ms off its beginning; ``bfloat16``
    rounds the features of both sides, ``float64`` computes both in double precision, and ``padding`` as if a longer
    recording lay in the batch. Empty where the model has no map or nobody is heard.
    """
    sides = side(verifier, enroll), side(verifier, test)
    map_before = map_of(verifier, *sides)
    if map_before is None:
        return {}
    changed: dict[Change, Map | None] = {
        "noise": map_of(verifier, sides[0], side(verifier, _noisy(sides[1]))),
        "shift": _later(map_of(verifier, sides[0], side(verifier, _shifted(sides[1])))),
    }
    for change, other in _verifiers(verifier).items():
        changed[change] = map_of(other, side(other, enroll), side(other, test))
    return {change: agreement(map_before, after) for change, after in changed.items() if after is not None}


def _verifiers(verifier: Verifier) -> dict[Change, Verifier]:
    rounding = Converted(verifier.front_end, lambda features: features.bfloat16().float())
    widening = Converted(verifier.front_end, lambda features: features.double())
    others: dict[Change, Verifier] = {
        "bfloat16": with_model(verifier, verifier.model, rounding),
        "float64": with_model(verifier, copy.deepcopy(verifier.model).double(), widening),
    }
    if isinstance(verifier.model, PooledModel):
        others["padding"] = with_model(verifier, Padded(verifier.model))
    return others


def _noisy(test: Side) -> tuple[NDArray[np.float32], int]:
    samples = to_float(test.heard[0].values)
    scale = np.sqrt(np.mean(np.square(samples), dtype=np.float64)) * 10 ** (-NOISE_DB / 20)
    noise = scale * np.random.default_rng(0).normal(size=len(samples))
    return (samples + noise).astype(np.float32), test.heard[0].sample_rate


def _shifted(test: Side) -> tuple[NDArray[np.float32], int]:
    heard = test.heard[0]
    return to_float(heard.values)[round(SHIFT_S * heard.sample_rate) :], heard.sample_rate


def _later(shifted: Map | None) -> Map | None:
    return None if shifted is None else Map(middle_s=shifted.middle_s + SHIFT_S, llr=shifted.llr)
