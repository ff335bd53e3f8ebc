"""Check a configuration before anything starts."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, InterpolationToMissingValueError, MissingMandatoryValue
from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from avis.checkpoints.components import PARTIAL, TARGET, find_component
from avis.engine.shards.sharding import Sharding, prepared_otherwise

NOTHING = "none"
"""Switches a key off, where null would stand for the checkpoint's own; so does an empty group."""

Group = dict[str, Any]
TOP_LEVEL: dict[str, Any] = {
    **dict.fromkeys(("compute", "sharding", "model", "features", "augment", "loss", "optimizer", "scheduler"), Group),
    **dict.fromkeys(("trainer", "evaluation", "trial_checks"), Group),
    **dict.fromkeys(("corpus", "scoring", "calibration", "operating_point", "trials"), Group | str | None),
    **dict.fromkeys(
        ("extends", "start_from", "enrolments", "enrolment_mean", "baseline", "development_trials", "audio"), str | None
    ),
    **dict.fromkeys(("scores", "development", "runs"), str | list[str] | None),
    **dict.fromkeys(("output_dir", "checkpoint", "store", "file", "format", "weights"), str),
    **dict.fromkeys(("run", "resume"), str | int | None),
    "seed": NonNegativeInt,
}
"""Types of keys that stand in no component; a word may switch a group off, see `NOTHING`."""


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as plain data, checked; see `check_composed` and `switch_off`."""
    return switch_off(check_composed(cfg))


def check_composed(cfg: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as plain data, checked.

    Every ``_target_`` must name a component (see `avis.checkpoints.components`), and its keys must be arguments of it,
    of the right type and range.

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
    for key, value in plain.items():
        if key in TOP_LEVEL and not _holds_target(value):
            _check_type(value, TOP_LEVEL[key], key)
    check(plain, "")
    return plain


def switch_off(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with None for each key that is `NOTHING` or an empty group."""
    return {key: None if value in (NOTHING, {}) else value for key, value in plain.items()}


def fill(asked: Mapping[str, Any], of_checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the checkpoint's own where it has null, in its ``sharding`` too.

    The store that the checkpoint's corpus extends goes with that corpus alone, prepared as it was.

    Parameters
    ----------
    asked : mapping
        As `check_composed` returns it.
    of_checkpoint : mapping
        Recipe of the checkpoint.

    Raises
    ------
    ValueError
        If ``sharding`` changes what belongs to the training, or a value does not fit.
    """
    sharding = prepared_otherwise(of_checkpoint["sharding"], asked["sharding"])
    check_arguments(Sharding, sharding, "sharding")
    extends = None if asked.get("corpus") or sharding != of_checkpoint["sharding"] else of_checkpoint.get("extends")
    known = {key: value for key, value in asked.items() if value is not None}
    return switch_off({**dict.fromkeys(asked), **of_checkpoint, "extends": extends, **known, "sharding": sharding})


def check(node: Any, key: str) -> None:
    """Check every ``_target_`` at and below a node of the configuration."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            check(item, f"{key}[{index}]")
    if not isinstance(node, dict):
        return
    for name, item in node.items():
        check(item, f"{key}.{name}".lstrip("."))
    if TARGET in node:
        _check_target(node, key)


def _check_target(node: dict[str, Any], key: str) -> None:
    try:
        target = find_component(node[TARGET])
    except ValueError as error:
        raise ValueError(f"{error} At {key}. Correct the path.") from error
    check_arguments(target, node, key)


def check_arguments(target: Callable[..., Any], node: Mapping[str, Any], key: str) -> None:
    """Check that a node of the configuration has the arguments of a class or function, of the right type and range."""
    function = target.__init__ if inspect.isclass(target) else target
    parameters = inspect.signature(target).parameters
    arguments = {name: value for name, value in node.items() if name not in (TARGET, PARTIAL)}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    unknown = [] if takes_any else sorted(set(arguments) - set(parameters))
    required = {n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    missing = [] if node.get(PARTIAL) else sorted(required - set(arguments))
    if unknown or missing:
        raise ValueError(
            f"wrong keys: got unknown {unknown} and lacks {missing}, expected those of "
            f"{target.__module__}.{target.__qualname__}: {', '.join(parameters)}. At {key}. Correct the configuration"
            + (f"; on the command line, ~{key}.{unknown[0]} leaves one out." if unknown else ".")
        )
    hints = get_type_hints(function, include_extras=True)
    for name, value in arguments.items():
        if name in hints and not _holds_target(value):
            _check_type(value, hints[name], f"{key}.{name}")


def _holds_target(value: Any) -> bool:
    if isinstance(value, dict):
        return TARGET in value or any(map(_holds_target, value.values()))
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
