"""What a model sees of the audio, and where that is computed."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import PositiveInt

from avis.checkpoints.components import Component


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a model sees of the audio, and where that is computed.

    Parameters
    ----------
    front_end : Component
        Maps waveforms to features; see `avis.features`.
    placement : {"auto", "stream", "device", "materialize"}
        On the workers that stream examples, fresh in every pass; on the training's device, inside the step; or once,
        before the training. ``auto``: see `avis.engine.recipe.Recipe.placed`.
    copies : int
        With ``materialize``, the number of differently cropped and augmented copies of every utterance, of which passes
        take turns.
    """

    front_end: Component[Any]
    placement: Literal["auto", "stream", "device", "materialize"]
    copies: PositiveInt

    @property
    def on_device(self) -> bool:
        """Whether features are computed inside the training step."""
        return self.placement == "device"

    def build_front_end(self) -> Any:
        """Build the front end.

        Raises
        ------
        ValueError
            If it learns but is not on the training's device.
        """
        front_end = self.front_end.build()
        if not self.on_device and any(weight.requires_grad for weight in front_end.parameters()):
            raise ValueError(
                f"front end out of the training's reach: got placement={self.placement} for "
                f"{type(front_end).__name__}, which learns, expected device. At features.placement. "
                "Set features.placement=device, or freeze the front end."
            )
        return front_end
