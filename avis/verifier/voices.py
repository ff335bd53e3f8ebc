"""Voices that a model was trained on, kept with it: whom else a recording is like, and what is usual of voices."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avis.acoustics.measure import ATTRIBUTES
from avis.acoustics.population import Population
from avis.checkpoints.fitted_state import made_of_state

OF_POPULATION = "acoustics_"
NAMES, ACOUSTIC_NAMES = "names", f"{OF_POPULATION}names"
STATISTICS = ("mean", "between", "within")
TEXTS = frozenset({NAMES, ACOUSTIC_NAMES})
"""Arrays of text."""
WITH_GAPS = frozenset(f"{OF_POPULATION}{name}" for name in (*STATISTICS, "speaker_means"))
"""Arrays in which NaN stands for what is not known, as `Population` has it."""

NAME = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]+")
LARGEST, LEAST_WITHIN = 1e6, 1e-9
"""Statistics beyond are of no voice, and could not be calculated with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Voices:
    """Speakers of the training: personal data.

    Attributes
    ----------
    names : str [voices]
        Their ids, as the store had them.
    embeddings : float32 [voices, dim]
        The mean of each one's embeddings.
    acoustics : Population or None
        What is usual among them; None where they were too few.
    """

    names: NDArray[np.str_]
    embeddings: NDArray[np.float32]
    acoustics: Population | None = None

    @classmethod
    def of_bytes(
        cls, data: bytes, *, dim: int, tried: Callable[[NDArray[np.float32]], object], where: str, advice: str
    ) -> "Voices":
        """Take back what `avis.checkpoints.fitted_state.state_bytes` made of them.

        Parameters
        ----------
        data : bytes
        dim : int
            Size of the model's embeddings.
        tried : callable
            Uses the embeddings ``[voices, dim]``, and raises a ValueError where it cannot.
        where, advice : str
            Where the bytes lie and what to do if they are unusable, for the message.

        Raises
        ------
        ValueError
            If they are anything else.
        """

        def made(state: dict[str, NDArray]) -> "Voices":
            voices = cls._restored(state, dim)
            tried(voices.embeddings)
            return voices

        return made_of_state(data, made, where=where, advice=advice, texts=TEXTS, with_gaps=WITH_GAPS)

    @classmethod
    def _restored(cls, state: dict[str, NDArray], dim: int) -> "Voices":
        names, embeddings = (state.pop(name, np.empty(0)) for name in (NAMES, "embeddings"))
        _check_names(names)
        if embeddings.dtype != np.float32 or embeddings.shape != (len(names), dim):
            raise ValueError(f"embeddings of {embeddings.dtype} {embeddings.shape} for {len(names)} voices of {dim}")
        return cls(names=names, embeddings=embeddings, acoustics=_population(state) if state else None)

    @property
    def usual(self) -> NDArray[np.float64]:
        """The mean of all embeddings, ``[dim]``: that of a usual voice."""
        return self.embeddings.mean(axis=0, dtype=np.float64)

    def state(self) -> dict[str, NDArray]:
        """Return what is known of them, as arrays to keep."""
        acoustics = self.acoustics.state() if self.acoustics else {}
        of_population = {f"{OF_POPULATION}{name}": values for name, values in acoustics.items()}
        return {NAMES: self.names, "embeddings": self.embeddings, **of_population}


def _check_names(names: NDArray) -> None:
    if names.dtype.kind != "U" or names.ndim != 1 or not len(names):
        raise ValueError(f"names of {names.dtype} {names.shape}")
    spelled = names.tolist()
    if len(set(spelled)) < len(spelled) or not all(map(NAME.fullmatch, spelled)):
        raise ValueError("names that are empty, cannot be printed, or occur twice")


def _population(state: Mapping[str, NDArray]) -> Population:
    if state.keys() != {ACOUSTIC_NAMES, *WITH_GAPS}:
        raise ValueError(f"arrays {', '.join(sorted(state))}")
    population = Population(**{name.removeprefix(OF_POPULATION): values for name, values in state.items()})
    check_population(population)
    return population


def check_population(population: Population) -> None:
    """Refuse a population that cannot be calculated with.

    Raises
    ------
    ValueError
        If it is not of all attributes in their order, something is known of an attribute that is not known, or a
        statistic is beyond what voices have, such as no variance among recordings.
    """
    if population.names.tolist() != list(ATTRIBUTES):
        raise ValueError("other attributes than are measured")
    means, num = population.speaker_means, len(ATTRIBUTES)
    statistics = population.mean, population.between, population.within
    if any(values.dtype != np.float64 or values.shape != (num,) for values in statistics):
        raise ValueError("statistics of other sizes")
    if means.dtype != np.float64 or means.ndim != 2 or len(means) != num:
        raise ValueError("means of speakers of another size")
    unknown = np.isnan(statistics)
    if (unknown != unknown[0]).any() or not np.array_equal(np.sort(means), means, equal_nan=True):
        raise ValueError("statistics unknown in part, or means of speakers that do not ascend")
    _, between, within = statistics
    if max(np.max(np.abs(np.nan_to_num(values)), initial=0.0) for values in (*statistics, means)) > LARGEST:
        raise ValueError(f"statistics beyond {LARGEST:g}")
    if (between < 0.0).any() or (within < LEAST_WITHIN).any():
        raise ValueError(f"variances below 0 between speakers, or below {LEAST_WITHIN:g} within")
