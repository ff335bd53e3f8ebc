"""Say what a model sees of the audio, and where that is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt

from avis.engine.workers.compute import Compute


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a model sees of the audio, and where that is computed.

    Parameters
    ----------
    front_end : torch.nn.Module
        Maps waveforms to features; see `avis.features`.
    placement : {"stream", "device", "materialize"}
        On the workers that stream examples, fresh in every pass; on the training's device, inside the step; or once,
        before the training.
    copies : int
        Of ``materialize``: differently cropped and augmented copies of every utterance, of which passes take turns.

    Raises
    ------
    ValueError
        If the front end learns but is not on the training's device.
    """

    front_end: torch.nn.Module
    placement: Literal["stream", "device", "materialize"]
    copies: PositiveInt

    def __post_init__(self) -> None:
        if self.placement != "device" and any(weight.requires_grad for weight in self.front_end.parameters()):
            raise ValueError(
                f"front end out of the training's reach: got placement={self.placement} for "
                f"{type(self.front_end).__name__}, which learns, expected device. At features.placement. "
                "Set features.placement=device, or freeze the front end."
            )


def check_placement(
    utterances_per_speaker: int, mixup_alpha: float, crop_s: float | Sequence[float], *, placement: str
) -> None:
    """Refuse settings of a trainer that need features computed elsewhere."""
    if utterances_per_speaker > 1 and placement == "materialize":
        raise ValueError(
            f"stored features keep the speeds they were made at: got utterances_per_speaker={utterances_per_speaker} "
            "and placement=materialize, expected 1. At trainer.utterances_per_speaker. Set features.placement=stream."
        )
    if mixup_alpha and placement != "device":
        raise ValueError(
            f"mixup needs waveforms: got mixup_alpha={mixup_alpha} and placement={placement}, expected device. At "
            "trainer.mixup_alpha. Set features.placement=device."
        )
    if isinstance(crop_s, Sequence) and placement != "device":
        raise ValueError(
            f"crops of drawn length are cut from waveforms: got crop_s={crop_s} and placement={placement}, expected "
            "device. At trainer.crop_s. Set features.placement=device, or give one length."
        )


def check_precision(precision: str, compute: Compute) -> None:
    """Refuse float16 where there is no GPU: convolutions in float16 never end on some processors.

    Connects to Ray if ``precision`` is float16 and the run takes place there.
    """
    if not precision.startswith("16"):
        return
    compute.connect()
    if not compute.num_gpus():
        raise ValueError(
            f"float16 needs a GPU: got precision={precision} on CPUs, expected auto, bf16-mixed or 32-true. "
            "At trainer.precision. Set trainer.precision=auto, which is 16-mixed on GPUs and 32-true elsewhere."
        )
