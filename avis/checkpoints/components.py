"""Components as plain data: a class or function of AVIS by its path and its arguments, built on demand."""

import functools
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from avis.foreign import check_plain

ROOMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("scoring", "calibration", "trials", "pairing", "trial_checks", "fusion"), ("avis.scoring",)),
    "augment": ("avis.augment",),
    "compute": ("avis.engine.workers.compute",),
    "corpus": ("avis.corpora",),
    "evaluation": ("avis.evaluation.settings", "avis.evaluation.identification"),
    "features": ("avis.features", "avis.training.placement"),
    "logger": ("avis.training.logger_settings",),
    "loss": ("avis.losses", "avis.checkpoints.teacher"),
    "model": ("avis.models",),
    "optimizer": ("torch.optim", "avis.training.layer_rates"),
    "rates": ("avis.engine.rates",),
    "rules": ("avis.inspection.suspects",),
    "scheduler": ("avis.training.schedules",),
    "sharding": ("avis.engine.shards.sharding",),
    "source": ("avis.models.imported",),
    "trainer": ("avis.training.settings",),
}
"""By group of a configuration, where its components are defined.

What a configuration names elsewhere is never called: a checkpoint may be anyone's. So these are packages without
functions that write, but for the corpus of synthetic voices.
"""
PACKAGES = tuple(sorted({package for packages in ROOMS.values() for package in packages}))

TARGET, PARTIAL = "_target_", "_partial_"
"""Keys of plain data that are Hydra's: the path, and that further arguments are given later."""

Built = TypeVar("Built")


@dataclass(frozen=True)
class Component(Generic[Built]):
    """A part of a recipe that is built where and when it is needed.

    Parameters
    ----------
    plain : mapping
        ``_target_``, ``_partial_`` if so, and arguments, components among them.
    """

    plain: Mapping[str, Any]

    def build(self) -> Built:
        """Build the component; see `build`."""
        return cast(Built, build(self.plain))


def build(node: Any, packages: Collection[str] = PACKAGES, *, kinds: tuple[type, ...] = (object,)) -> Any:
    """Build plain data: every mapping with a ``_target_`` becomes what that returns of its arguments, built first.

    Nothing is built before all of it is known to be plain data and to name components of the packages.

    Parameters
    ----------
    node
        The plain data.
    packages : collection of str
        Where components are defined.
    kinds : tuple of type
        Classes of which one is a base of every component.

    Raises
    ------
    ValueError
        See `find_component` and `avis.foreign.check_plain`.
    """
    check_plain(node, "component")
    for path in _targets(node):
        bases = getattr(find_component(path, packages), "__mro__", (object,))
        if not any(kind in bases for kind in kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"unknown component: got _target_={path}, expected a {expected} of {', '.join(packages)}.")
    return _built(node)


def _targets(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping | list | tuple):
        if isinstance(node, Mapping) and TARGET in node:
            yield node[TARGET]
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _targets(item)


def _built(node: Any) -> Any:
    if isinstance(node, Mapping):
        arguments = {key: _built(value) for key, value in node.items() if key not in (TARGET, PARTIAL)}
        if TARGET not in node:
            return arguments
        target = find_component(node[TARGET])
        return functools.partial(target, **arguments) if node.get(PARTIAL) else target(**arguments)
    return [_built(item) for item in node] if isinstance(node, list | tuple) else node


def find_component(path: Any, packages: Collection[str] = PACKAGES) -> Callable[..., Any]:
    """Return the public class or function of a dotted path.

    Raises
    ------
    ValueError
        If it is not defined in one of the packages.
    """
    module, _, name = str(path).rpartition(".")
    try:
        if not _is_in(packages, module) or name.startswith("_"):
            raise ImportError("no such component")
        target = getattr(importlib.import_module(module), name)
        if not (callable(target) and _is_in(packages, target.__module__)):
            raise AttributeError(f"{name} is defined elsewhere")
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"unknown component: got _target_={path}, expected the dotted path of a class or function of "
            f"{', '.join(packages)} ({error})."
        ) from error
    return cast(Callable[..., Any], target)


def _is_in(packages: Collection[str], module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def leaves(node: Any, key: str = "") -> dict[str, Any]:
    """Return the values below a node of a configuration, by their keys from the outermost on.

    >>> leaves({"model": {"depths": [3, 4]}})
    {'model.depths.0': 3, 'model.depths.1': 4}
    """
    if not isinstance(node, dict | list):
        return {key: node}
    items = node.items() if isinstance(node, dict) else enumerate(node)
    below = [leaves(value, f"{key}.{part}" if key else str(part)) for part, value in items]
    return {name: leaf for each in below for name, leaf in each.items()}
