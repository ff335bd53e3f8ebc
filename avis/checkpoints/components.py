"""Components as plain data: a class or function of AVIS by its path and its arguments, built on demand."""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

PACKAGES = (
    *("avis.augment", "avis.corpora", "avis.features", "avis.losses", "avis.models", "avis.scoring", "avis.training"),
    *("avis.checkpoints.teacher", "avis.evaluation.settings", "avis.evaluation.identification"),
    *("avis.inspection.suspects", "avis.engine.shards.sharding", "avis.engine.workers.compute", "torch.optim"),
)
"""Where components are defined. What a configuration names elsewhere is never called: a checkpoint may be anyone's."""

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


def build(node: Any) -> Any:
    """Build plain data: every mapping with a ``_target_`` becomes what that returns of its arguments, built first.

    Raises
    ------
    ValueError
        See `find_component`.
    """
    if isinstance(node, Mapping):
        arguments = {key: build(value) for key, value in node.items() if key not in (TARGET, PARTIAL)}
        if TARGET not in node:
            return arguments
        target = find_component(node[TARGET])
        return functools.partial(target, **arguments) if node.get(PARTIAL) else target(**arguments)
    return [build(item) for item in node] if isinstance(node, list | tuple) else node


def find_component(path: str) -> Callable[..., Any]:
    """Return the class or function of a dotted path.

    Raises
    ------
    ValueError
        If it is not defined in one of `PACKAGES`.
    """
    module, _, name = str(path).rpartition(".")
    try:
        if not _is_in_packages(module):
            raise ImportError("no such component")
        target = getattr(importlib.import_module(module), name)
        if not (callable(target) and _is_in_packages(target.__module__)):
            raise AttributeError(f"{name} is defined elsewhere")
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"unknown component: got _target_={path}, expected the dotted path of a class or function of "
            f"{', '.join(PACKAGES)} ({error})."
        ) from error
    return cast(Callable[..., Any], target)


def _is_in_packages(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in PACKAGES)


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
