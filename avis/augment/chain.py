"""Compose the augmentation that a training example goes through."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.augment.bank import Bank
from avis.augment.transform import Transform


class Drawn(NamedTuple):
    """What was drawn of one step of an augmentation.

    Attributes
    ----------
    place : int
        Of the transform, in `Augment.transforms`.
    numbers : list of float
        What it drew.
    """

    place: int
    numbers: list[float]


class InOrder:
    """Apply several transforms, one after the other, as one choice of `OneOf`.

    Parameters
    ----------
    probability : float
        Share of the examples that get all of them; their own probabilities don't count.
    transforms : sequence of Transform
        In order.
    """

    def __init__(self, *, probability: float, transforms: Sequence[Transform]) -> None:
        self.probability = probability
        self.transforms = list(transforms)


class OneOf:
    """Apply at most one of several transforms, each with its own probability.

    What the probabilities leave of 1 is the share of examples that none is applied to: three choices with 0.2 each
    change 60 % of the examples.

    Parameters
    ----------
    choices : sequence of Transform | InOrder
        Transforms, or several `InOrder`, whose probabilities sum to at most 1.

    Raises
    ------
    ValueError
        When the probabilities are outside [0, 1] or sum to more than 1.
    """

    def __init__(self, *, choices: Sequence[Transform | InOrder]) -> None:
        self.choices = list(choices)
        self.transforms = [each for choice in self.choices for each in _transforms(choice)]
        _check_probabilities([choice.probability for choice in self.choices])

    def pick(self, rng: np.random.Generator) -> range:
        """Return which of ``transforms`` to apply, often one or none; takes one number from the generator."""
        position, first = rng.random(), 0
        for choice in self.choices:
            position -= choice.probability
            after = first + len(_transforms(choice))
            if position < 0:
                return range(first, after)
            first = after
        return range(0)


class Augment:
    """Take a waveform through steps, in order, each applied to its share of the examples.

    Changing the speed is not among them, since it changes who is speaking (`avis.augment.speed`), nor is
    `avis.augment.spec_augment`, which works on features.

    Parameters
    ----------
    steps : sequence of Transform | InOrder | OneOf
        Transforms (or several `InOrder`), each applied or not by itself, and `OneOf`; with none, waveforms stay.

    Examples
    --------
    >>> from avis.augment.noise import Noise
    >>> from avis.augment.reverb import Reverb
    >>> noise = Noise(probability=0.3, min_snr_db=0.0, max_snr_db=15.0)
    >>> augment = Augment(steps=[OneOf(choices=[noise, Reverb(probability=0.3)])])
    >>> sorted(augment.required_banks)
    ['noise', 'rir']
    """

    def __init__(self, *, steps: Sequence[Transform | InOrder | OneOf]) -> None:
        self.steps = [step if isinstance(step, OneOf) else OneOf(choices=[step]) for step in steps]
        self.transforms = [each for step in self.steps for each in step.transforms]
        self.required_banks = frozenset(transform.bank for transform in self.transforms if transform.bank is not None)

    def __call__(
        self, waveform: NDArray[np.float32], rng: np.random.Generator, banks: Mapping[str, Bank]
    ) -> NDArray[np.float32]:
        """Return the augmented waveform, float32 ``[samples]``.

        Parameters
        ----------
        waveform : float32 array
            float32 ``[samples]``; it is not changed, but returned itself when no step applies.
        rng : numpy.random.Generator
            The example's own generator (`avis.augment.rng.example_rng`).
        banks : mapping of str to Bank
            At least `required_banks`, by name: ``noise``, ``music``, ``rir``, ``speech``.

        Raises
        ------
        ValueError
            When a bank is missing.
        """
        return self.apply(waveform, self.draw(rng, len(waveform), banks), banks)

    def draw(self, rng: np.random.Generator, num_samples: int, banks: Mapping[str, Bank]) -> list[Drawn]:
        """Return what is to be done to a waveform of so many samples, in order; see `__call__`."""
        missing = self.required_banks - banks.keys()
        if missing:
            raise ValueError(
                f"Augmentation needs its banks: got banks={sorted(banks)}, expected {sorted(self.required_banks)}. "
                f"At augment.banks. Add {sorted(missing)}, or leave out the steps that draw from them."
            )
        drawn, first = [], 0
        for step in self.steps:
            for place in step.pick(rng):
                transform = step.transforms[place]
                drawn.append(Drawn(first + place, transform.draw(rng, num_samples, *_bank_of(transform, banks))))
            first += len(step.transforms)
        return drawn

    def apply(
        self, waveform: NDArray[np.float32], drawn: Sequence[Drawn], banks: Mapping[str, Bank]
    ) -> NDArray[np.float32]:
        """Return the waveform after what was drawn for it, or some of the first of that."""
        for place, numbers in drawn:
            transform = self.transforms[place]
            waveform = transform.apply(waveform, numbers, *_bank_of(transform, banks))
        return waveform


def _bank_of(transform: Transform, banks: Mapping[str, Bank]) -> list[Bank]:
    return [] if transform.bank is None else [banks[transform.bank]]


def _transforms(choice: Transform | InOrder) -> list[Transform]:
    return choice.transforms if isinstance(choice, InOrder) else [choice]


def _check_probabilities(probabilities: list[float]) -> None:
    if not all(0 <= probability <= 1 for probability in probabilities) or sum(probabilities) > 1 + 1e-9:
        raise ValueError(
            f"Probabilities must lie in [0, 1] and sum to at most 1: got probability={probabilities}, expected shares "
            "of the examples. At augment.steps. Lower them, or make the transforms steps of their own."
        )
