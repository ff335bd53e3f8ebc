"""What decides the examples of a training beside its utterances."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.on_device import AugmentOnDevice
from avis.augment.spec_augment import SpecAugment
from avis.augment.travelling import Travelling
from avis.checkpoints.components import TARGET, Component
from avis.training.cropping import DrawnCrops, crop_bounds
from avis.training.examples import ExampleMaker, FrontEnd
from avis.training.placement import Features

FROM_TRAINER = ("crop_s", "speeds", "babble_utterances")
BANK = "_bank"
"""Ends the keys of `Augmentation.banks` in a configuration."""
AugmentPlacement = Literal["auto", "stream", "device"]


@dataclass(frozen=True)
class Augmentation:
    """How examples are augmented, and with what.

    Parameters
    ----------
    chain : Component or None
        Acts on waveforms.
    spec_augment : Component or None
        Acts on features.
    banks : mapping of str to Component or None
        Recordings that the chain draws from, by name; None where they are none of their own.
    placement : {"auto", "stream", "device"}
        Applied by the workers that stream examples; or drawn by them and applied on the training's device, inside the
        step, to whole batches. ``auto``: see `avis.engine.recipe.Recipe.placed`.

    Raises
    ------
    ValueError
        If there is no such placement.
    """

    chain: Component[Augment] | None
    spec_augment: Component[SpecAugment] | None
    banks: Mapping[str, Component[Bank] | None]
    placement: AugmentPlacement

    def __post_init__(self) -> None:
        if self.placement not in get_args(AugmentPlacement):
            raise ValueError(
                f"unknown placement: got placement={self.placement!r}, expected one of "
                f"{', '.join(get_args(AugmentPlacement))}. At augment.placement. Correct it."
            )

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Augmentation":
        """Return that of a configuration's group ``augment``."""

        def component(key: str) -> Component[Any] | None:
            return Component(plain[key]) if plain[key] else None

        banks = {key.removesuffix(BANK): component(key) for key in plain if key.endswith(BANK)}
        placement = plain.get("placement", "stream")  # as checkpoints have it that are older than the choice
        return cls(component("chain"), component("spec_augment"), banks, placement)


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """What decides the examples of a training beside its utterances.

    Parameters
    ----------
    features : Features
    augment : Augmentation
    crop_s : float or list of two floats
        See `avis.training.settings.Training`, as of the next two.
    speeds : list of float
    babble_utterances : int
    sample_rate : int
        Rate in Hz of the waveforms.
    seed : int
    plain : mapping
        All of these but the last two, as they are fingerprinted: without the placement of augmentation.

    Raises
    ------
    ValueError
        If augmentation is to be on the device, but features are not.
    """

    features: Features
    augment: Augmentation
    crop_s: float | list[float]
    speeds: list[float]
    babble_utterances: int
    sample_rate: int
    seed: int
    plain: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.augment.placement == "device" and self.features.placement not in ("device", "auto"):
            raise ValueError(
                "features come after augmentation: got augment.placement=device and "
                f"features.placement={self.features.placement}, expected device for both. At features.placement. Set "
                "features.placement=device, or augment.placement=stream."
            )

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> "ExampleSettings":
        """Return those of a recipe in plain form, which a checkpoint holds too."""
        features = {key: value for key, value in recipe["features"].items() if key != TARGET}
        trainer = {key: recipe["trainer"][key] for key in FROM_TRAINER}
        return cls(
            features=Features(
                front_end=Component(features["front_end"]),
                placement=features["placement"],
                copies=features["copies"],
            ),
            augment=Augmentation.of(recipe["augment"]),
            **trainer,
            sample_rate=recipe["sharding"]["sample_rate"],
            seed=recipe["seed"],
            plain={
                "features": {key: value for key, value in features.items() if key != TARGET},
                "augment": {key: value for key, value in recipe["augment"].items() if key != "placement"},
                **trainer,
            },
        )

    def build_maker(self, *, training: bool = True, augment: bool = True) -> ExampleMaker:
        """Build what turns utterances into examples: for training, or without its speeds and masks for evaluation."""
        spec_augment = self.augment.spec_augment if training else None
        chain = self.augment.chain if augment else None
        return ExampleMaker(
            features=None if self.features.on_device and spec_augment is None else self.features.build_front_end(),
            augment=chain.build() if chain else None,
            spec_augment=spec_augment.build() if spec_augment else None,
            on_device=self.features.on_device,
            travelling=self._travelling() if training else None,
            speeds=self.speeds if training else [1.0],
            crop_s=crop_bounds(self.crop_s)[1],
            sample_rate=self.sample_rate,
            seed=self.seed,
        )

    def augment_on_device(self, banks: Mapping[str, Bank]) -> AugmentOnDevice | None:
        """Return what augments batches in the training step; None where workers do so."""
        travelling = self._travelling()
        return None if travelling is None else AugmentOnDevice(travelling, banks)

    def _travelling(self) -> Travelling | None:
        if self.augment.placement != "device":
            return None
        chain = self.augment.chain.build() if self.augment.chain else None
        crop_samples = round(crop_bounds(self.crop_s)[1] * self.sample_rate)
        return Travelling(chain, speeds=self.speeds, crop_samples=crop_samples)

    def drawn_crops(self, front_end: FrontEnd) -> DrawnCrops | None:
        """Return what cuts batches into crops of drawn lengths; None where all are of one."""
        if not isinstance(self.crop_s, list):
            return None
        shortest, longest = (round(bound_s * self.sample_rate) for bound_s in crop_bounds(self.crop_s))
        return DrawnCrops(shortest, longest, seed=self.seed, num_frames=front_end.num_frames)
