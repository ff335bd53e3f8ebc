"""What decides the examples of a training beside its utterances."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.spec_augment import SpecAugment
from avis.checkpoints.components import TARGET, Component
from avis.training.cropping import DrawnCrops, crop_bounds
from avis.training.examples import ExampleMaker, FrontEnd
from avis.training.placement import Features

FROM_TRAINER = ("crop_s", "speeds", "babble_utterances")
BANK = "_bank"
"""Ends the keys of `Augmentation.banks` in a configuration."""


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
    """

    chain: Component[Augment] | None
    spec_augment: Component[SpecAugment] | None
    banks: Mapping[str, Component[Bank] | None]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Augmentation":
        """Return that of a configuration's group ``augment``."""

        def component(key: str) -> Component[Any] | None:
            return Component(plain[key]) if plain[key] else None

        banks = {key.removesuffix(BANK): component(key) for key in plain if key.endswith(BANK)}
        return cls(component("chain"), component("spec_augment"), banks)


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
        All of these but the last two, as they are fingerprinted.
    """

    features: Features
    augment: Augmentation
    crop_s: float | list[float]
    speeds: list[float]
    babble_utterances: int
    sample_rate: int
    seed: int
    plain: Mapping[str, Any]

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
                "augment": recipe["augment"],
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
            speeds=self.speeds if training else [1.0],
            crop_s=crop_bounds(self.crop_s)[1],
            sample_rate=self.sample_rate,
            seed=self.seed,
        )

    def drawn_crops(self, front_end: FrontEnd) -> DrawnCrops | None:
        """Return what cuts batches into crops of drawn lengths; None where all are of one."""
        if not isinstance(self.crop_s, list):
            return None
        shortest, longest = (round(bound_s * self.sample_rate) for bound_s in crop_bounds(self.crop_s))
        return DrawnCrops(shortest, longest, seed=self.seed, num_frames=front_end.num_frames)
