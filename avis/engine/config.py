"""Check a run's configuration before anything starts, and keep it with the run."""

import inspect
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, InterpolationToMissingValueError, MissingMandatoryValue
from pydantic import ConfigDict, TypeAdapter, ValidationError

from avis import location, store
from avis.digest import fingerprint
from avis.engine.shards.sharding import prepared_otherwise

RUN_CONFIG = "config.json"
NOTHING = "none"
"""Switches a key off, where null would stand for the checkpoint's own; so does an empty group."""

CONTROL_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}


def resolve(
    cfg: DictConfig, *, fill: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given
) -> dict[str, Any]:
    """Return the configuration as plain data, checked.

    A key that is `NOTHING` becomes None: it is switched off.

    Every ``_target_`` must name something importable, and its keys must be arguments of it, of the right
    type and range.

    Parameters
    ----------
    cfg : DictConfig
    fill : callable
        Returns the configuration as given with what stands where it has null.

    Raises
    ------
    ValueError
        Naming the key.
    """
    try:
        plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except (MissingMandatoryValue, InterpolationResolutionError) as error:
        aimed_at = str(error).splitlines()[0].rpartition("Missing mandatory value: ")[2]
        key = aimed_at if isinstance(error, InterpolationToMissingValueError) else error.full_key
        raise ValueError(
            f"value missing: got none, expected one. At {key}. Give it on the command line: {key}=<value>."
        ) from error
    check(plain, "")
    return {key: None if value in (NOTHING, {}) else value for key, value in fill(plain).items()}


def filled(given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the checkpoint's own where it has null, in its ``sharding`` too.

    The store that the checkpoint's corpus extends goes with that corpus alone, prepared as it was.

    Raises
    ------
    ValueError
        If ``sharding`` changes what belongs to the training, or a value does not fit.
    """
    sharding = prepared_otherwise(own["sharding"], given["sharding"])
    check(sharding, "sharding")
    extends = None if given.get("corpus") or sharding != own["sharding"] else own.get("extends")
    said = {key: value for key, value in given.items() if value is not None}
    return {**dict.fromkeys(given), **own, "extends": extends, **said, "sharding": sharding}


def check(node: Any, key: str) -> None:
    """Check every ``_target_`` at and below a node of the configuration."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            check(item, f"{key}[{index}]")
    if not isinstance(node, dict):
        return
    for name, item in node.items():
        check(item, f"{key}.{name}".lstrip("."))
    if "_target_" in node:
        _check_target(node, key)


def _check_target(node: dict[str, Any], key: str) -> None:
    try:
        target = get_object(node["_target_"])
    except Exception as error:
        raise ValueError(
            f"unknown component: got _target_={node['_target_']}, expected the dotted path of a class or function "
            f"({error}). At {key}. Correct the path."
        ) from error
    function = target.__init__ if inspect.isclass(target) else target
    parameters = inspect.signature(target).parameters
    given = {name: value for name, value in node.items() if name not in CONTROL_KEYS}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    unknown = [] if takes_any else sorted(set(given) - set(parameters))
    required = {n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    missing = [] if node.get("_partial_") else sorted(required - set(given))
    if unknown or missing:
        raise ValueError(
            f"wrong keys: got unknown {unknown} and lacks {missing}, expected those of {node['_target_']}: "
            f"{', '.join(parameters)}. At {key}. Correct the configuration"
            + (f"; on the command line, ~{key}.{unknown[0]} leaves one out." if unknown else ".")
        )
    hints = get_type_hints(function, include_extras=True)
    for name, value in given.items():
        if name in hints and not _holds_target(value):
            _check_type(value, hints[name], f"{key}.{name}")


def _holds_target(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(map(_holds_target, value.values()))
    return isinstance(value, list) and any(map(_holds_target, value))


def _check_type(value: Any, hint: Any, key: str) -> None:
    strict = not isinstance(value, list)
    try:
        TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value, strict=strict)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ValueError(
            f"wrong value: got {value!r}, expected {_plain_name(hint)} ({problem}). At {key}. Correct the value."
        ) from error


def _plain_name(hint: Any) -> str:
    plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    return getattr(plain, "__name__", str(plain))


def leaves(node: Any, key: str = "") -> dict[str, Any]:
    """Return the values below a node of a configuration, by their keys from the outermost on.

    >>> leaves({"model": {"depths": [3, 4]}})
    {'model.depths.0': 3, 'model.depths.1': 4}
    """
    if not isinstance(node, dict | list):
        return {key: node}
    items = node.items() if isinstance(node, dict) else enumerate(node)
    below = [leaves(value, f"{key}.{part}" if key else str(part)) for part, value in items]
    return {name: leaf for found in below for name, leaf in found.items()}


def open_run(cfg: DictConfig) -> tuple[str, dict[str, Any]]:
    """Return the folder and the checked configuration of a new run, or of the one to go on with.

    A new run has a name of its own and never continues another; ``resume=<run>`` goes on with an old one, under the
    configuration it was started with.

    Raises
    ------
    ValueError
        If a run of that name exists already, or there is none to resume, or the resumed one is to be changed.
    """
    recipe = resolve(cfg)
    runs = location.join(location.absolute(recipe["output_dir"]), "runs")
    if recipe["resume"] is not None:
        return _resume(location.join(runs, str(recipe["resume"])), recipe)
    name = str(recipe["run"] or f"{time.strftime('%Y%m%d-%H%M%S')}-{fingerprint(recipe)[:6]}")
    run_dir = location.join(runs, name)
    config = location.join(run_dir, RUN_CONFIG)
    if location.exists(config):
        raise ValueError(
            f"run exists: got run={name}, expected a new name. At {run_dir}. "
            f"Choose another name, or go on with that run by resume={name}."
        )
    return run_dir, recipe


def keep_run(run_dir: str, recipe: dict[str, Any], utterances: str) -> None:
    """Keep a run's configuration and store with it; from then on its name is taken and it can be resumed.

    Raises
    ------
    ValueError
        If a resumed run was started on another store.
    """
    config = location.join(run_dir, RUN_CONFIG)
    if not location.exists(config):
        store.write_json(config, {**recipe, "utterances": utterances})
        return
    trained_on = store.read_json(config)["utterances"]
    if os.path.basename(trained_on) != os.path.basename(utterances):
        raise ValueError(
            f"audio changed: got utterances={utterances}, expected {trained_on}. At {run_dir}. "
            "A run goes on with the files it was started on; put them back, or start another run."
        )


def _resume(run_dir: str, recipe: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    config = location.join(run_dir, RUN_CONFIG)
    if not location.exists(config):
        raise ValueError(
            f"no run to resume: got resume={recipe['resume']}, expected the name of a run. At {run_dir}. "
            "Give the name of a folder in <output_dir>/runs."
        )
    overrides = HydraConfig.get().overrides.task
    changes = [change for change in overrides if not change.startswith(("resume=", "output_dir=", "compute"))]
    if changes:
        raise ValueError(
            f"resumed run changed: got {' '.join(changes)}, expected nothing beside resume, output_dir and compute. "
            f"At {run_dir}. A run goes on as it was started; start another one to change it."
        )
    saved = store.read_json(config)
    compute = recipe["compute"] if any(change.startswith("compute") for change in overrides) else saved["compute"]
    return run_dir, {**saved, "output_dir": recipe["output_dir"], "compute": compute}
