"""The recipe of a store, and of trial lists made of it; see `avis.engine.recipe`."""

import copy
import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from avis import location
from avis.checkpoints.components import PARTIAL, TARGET, Component
from avis.engine.shards.sharding import Sharding
from avis.engine.workers.compute import Compute
from avis.scoring.gallery import Gallery
from avis.scoring.pairing import Pairing

Made = TypeVar("Made", bound="PrepareRecipe")


@dataclass(frozen=True, kw_only=True)
class PrepareRecipe:
    """What prepares a store.

    Attributes
    ----------
    plain : mapping
        The configuration itself, as it is fingerprinted and kept with runs and checkpoints.
    output_dir : str
        Absolute path or URI of the folder for stores and runs.
    seed : int
        Seed of all that is drawn.
    corpora : mapping of str to Component
        The corpora by their names; see `avis.corpora`.
    sharding : Sharding
    extends : str or None
        URI of the store to take over what is unchanged from.
    compute : Compute
    """

    plain: Mapping[str, Any]
    output_dir: str
    seed: int
    corpora: Mapping[str, Component[Any]]
    sharding: Sharding
    extends: str | None
    compute: Compute

    @classmethod
    def of(cls: type[Made], plain: Mapping[str, Any]) -> Made:
        """Return the recipe of a configuration.

        Parameters
        ----------
        plain : mapping
            As `avis.engine.config.resolve` returns it.

        Raises
        ------
        ValueError
            If a value is out of range, or two do not go together.
        """
        try:
            return cls(plain=plain, **cls._parts(plain))
        except (AttributeError, KeyError, TypeError) as error:  # only of a checkpoint, whose groups are not composed
            raise ValueError(
                f"recipe incomplete: got {type(error).__name__} ({error}), expected the keys that --cfg job shows. At "
                "the configuration, or the recipe of its checkpoint. Give the group that lacks it on the command line."
            ) from error

    def changed(self: Made, settings: Mapping[str, Any]) -> Made:
        """Return the recipe with other values of some settings, named by their keys from the outermost on."""
        plain = copy.deepcopy(dict(self.plain))
        for key, value in settings.items():
            *groups, last = key.split(".")
            functools.reduce(operator.getitem, groups, plain)[last] = value
        return self.of(plain)

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        extends = plain.get("extends")
        if not (plain.get("corpus") or {}).get("sources"):
            raise ValueError(
                "no corpus: got none, expected the layout of the recordings, since an imported checkpoint has none of "
                "its own. At corpus. Choose one, such as corpus=folder corpus.root=<folder> corpus.split=test."
            )
        return {
            "output_dir": location.absolute(str(plain["output_dir"])),
            "seed": plain["seed"],
            "corpora": {name: Component(node) for name, node in plain["corpus"]["sources"].items()},
            "sharding": Sharding(**arguments(plain["sharding"])),
            "extends": location.absolute(extends).rstrip("/") if extends else None,
            "compute": Compute(**arguments(plain["compute"])),
        }


@dataclass(frozen=True, kw_only=True)
class PairRecipe(PrepareRecipe):
    """What makes trial lists of a store.

    Attributes
    ----------
    pairings : mapping of str to Component
        What makes each list, by its name.
    """

    pairings: Mapping[str, Component[Pairing | Gallery]]

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        pairings: dict[str, Component[Any]] = {name: Component(node) for name, node in plain["trials"].items()}
        return super()._parts(plain) | {"pairings": pairings}


def arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a component in plain form."""
    return {key: value for key, value in node.items() if key not in (TARGET, PARTIAL)}
