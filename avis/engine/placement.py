"""Say what a model sees of the audio, and where that is computed."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt


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
