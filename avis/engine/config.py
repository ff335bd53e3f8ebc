"""Check a configuration before anything starts."""

import inspect
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, InterpolationToMissingValueError, MissingMandatoryValue
from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from avis import location
from avis.checkpoints.components import PACKAGES, PARTIAL, ROOMS, TARGET, find_component, leaves
from avis.corpora.synthetic import Synthetic
from avis.engine.shards.sharding import Sharding, prepared_otherwise
from avis.engine.upload import check_paths
from avis.structured_log import Form
from avis.training.example_settings import FROM_TRAINER
from avis.training.settings import Training

NOTHING = "none"
"""Switches a key off, where null would stand for the checkpoint's own; so does an empty group."""

Group = dict[str, Any]
TOP_LEVEL: dict[str, Any] = {
    **dict.fromkeys(("compute", "sharding", "model", "features", "augment", "loss", "optimizer", "scheduler"), Group),
    **dict.fromkeys(("tls", "limits", "replicas", "rates"), Group),
    **dict.fromkeys(("verifier", "gallery", "host"), str),
    **dict.fromkeys(("tokens", "audit"), str | None),
    "port": int,
    **dict.fromkeys(("trainer", "logger", "evaluation", "trial_checks", "rules", "fusion", "source"), Group),
    **dict.fromkeys(("corpus", "scoring", "calibration", "operating_point", "trials"), Group | str | None),
    **dict.fromkeys(
        ("extends", "start_from", "enrolments", "enrolment_mean", "baseline", "development_trials", "audio"), str | None
    ),
    **dict.fromkeys(("scores", "development", "runs"), str | list[str] | None),
    **dict.fromkeys(("output_dir", "checkpoint", "store", "file", "format", "weights"), str),
    **dict.fromkeys(("run", "resume"), str | int | None),
    "max_window_s": PositiveFloat | None,
    "worst": PositiveInt | None,
    **dict.fromkeys(("num_pairs", "num_steps"), PositiveInt),
    "checks": bool,
    "preset": Literal["engineer", "researcher", "examiner"],
    "prior": float | None,
    "verbal_scale": list[list[float | str]] | None,
    "seed": NonNegativeInt,
    "verbose": bool,
    "log": Form,
}
"""Types of keys that stand in no component; a word may switch a group off, see `NOTHING`."""

BANKS = ("noise_bank", "music_bank", "rir_bank", "speech_bank")
PARTS = {
    "augment": ("chain", "placement", "spec_augment", *BANKS),
    "calibration": ("model", "trials", "max_trials", "crops_s"),
    "corpus": ("audio", "sources"),
    "scheduler": ("learning_rate", "margin"),
}
"""What is read of groups that are no components themselves, beside keys that others refer to."""
REFERENCE = re.compile(r"\$\{([\w.]+)\}")

OmegaConf.register_new_resolver("below", location.join, replace=True)
"""``${below:${output_dir},x}`` is what lies in a folder, at a URI with a query too."""

GROUPS_TAKEN = ("augment", "corpus", "scoring", "calibration")
"""Groups that are taken of a checkpoint unless a command line chooses others."""
SCORED_BY = ("augment", "features", "sharding", "trainer")
"""Groups of a checkpoint's recipe that scoring goes by, whatever the command line says."""


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
    if unknown := sorted(set(plain) - set(TOP_LEVEL)):
        raise ValueError(
            f"unknown key: got {', '.join(unknown)}, expected a key of the configuration. At {unknown[0]}. "
            "Leave it out, or see --help."
        )
    _check_groups(plain)
    _check_read(plain, OmegaConf.to_yaml(cfg))
    return plain


def _check_read(plain: Mapping[str, Any], tree: str) -> None:
    """Refuse a key of `PARTS` that nothing reads: an addition with a typing error changes nothing, without a word."""
    referred = set(REFERENCE.findall(tree))
    for group, parts in PARTS.items():
        keys = plain[group] if isinstance(plain.get(group), dict) else {}
        for key in keys:
            if key not in parts and f"{group}.{key}" not in referred:
                raise ValueError(
                    f"unknown key: got {group}.{key}, which nothing reads, expected one of "
                    f"{', '.join(sorted({*keys} - {key}))}. At {group}.{key}. Correct its name, or leave it out."
                )


def _check_groups(plain: Mapping[str, Any]) -> None:
    for key, value in plain.items():
        if key in TOP_LEVEL and not _holds_target(value):
            _check_type(value, TOP_LEVEL[key], key)
    check(dict(plain), "")
    check_paths(plain)


def switch_off(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with None for each key that is `NOTHING` or an empty group."""
    return {key: None if value in (NOTHING, {}) else value for key, value in plain.items()}


def moved_to(output_dir: str, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved configuration for the folder in which its outputs lie now.

    A path in that folder follows it where it is there and no longer where it was.
    """
    before = str(saved.get("output_dir", output_dir))

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [moved(item) for item in value]
        inside = location.below(value, before) if isinstance(value, str) else value
        if inside == value or location.exists(value):
            return value
        there = location.join(output_dir, inside)
        return there if location.exists(there) else value

    return {**{key: moved(value) for key, value in saved.items()}, "output_dir": output_dir}


def fill(asked: Mapping[str, Any], of_checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the checkpoint's own where it has null, in its ``sharding`` too.

    The store that the checkpoint's corpus extends goes with that corpus alone, prepared as it was. What is taken of the
    checkpoint is checked as a command line is; see `_check_taken` for what it may lead to.

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
    _check_scored_by(of_checkpoint, asked["checkpoint"])
    if _may_be_asked(str(of_checkpoint.get("output_dir", "")), asked):
        of_checkpoint = moved_to(asked["output_dir"], of_checkpoint)
    sharding = prepared_otherwise(of_checkpoint["sharding"], asked["sharding"])
    check_arguments(Sharding, sharding, "sharding")
    extends = None if asked.get("corpus") or sharding != of_checkpoint["sharding"] else of_checkpoint.get("extends")
    known = {key: value for key, value in asked.items() if value is not None}
    filled = switch_off({**dict.fromkeys(asked), **of_checkpoint, "extends": extends, **known, "sharding": sharding})
    _check_taken({key: filled.get(key) for key in {*asked, *GROUPS_TAKEN} - {*known}}, asked)
    return filled


def _check_scored_by(of_checkpoint: Mapping[str, Any], checkpoint: str) -> None:
    """Refuse a checkpoint's recipe that lacks what scoring goes by and no command line gives, or has it otherwise."""
    if lacking := [key for key in SCORED_BY if not isinstance(of_checkpoint.get(key), dict)]:
        raise ValueError(
            f"recipe of a checkpoint refused: got no {', '.join(lacking)}, expected all of {', '.join(SCORED_BY)}. At "
            f"{checkpoint}. Give one written by pipelines/train.py or import_checkpoint.py."
        )
    groups = {key: of_checkpoint[key] for key in SCORED_BY}
    trainer = {key: value for key, value in groups["trainer"].items() if key in FROM_TRAINER}
    groups["trainer"] = {**trainer, TARGET: _path(Training), PARTIAL: True}
    groups["sharding"] = {**groups["sharding"], TARGET: _path(Sharding)}
    _check_own(groups, checkpoint)


def _path(component: type) -> str:
    return f"{component.__module__}.{component.__qualname__}"


def _check_own(groups: Mapping[str, Any], checkpoint: str) -> None:
    try:
        _check_groups(groups)
    except ValueError as error:
        raise ValueError(f"{error} It stands in the recipe of {checkpoint}.") from error


def _may_be_asked(path: str, asked: Mapping[str, Any]) -> bool:
    """Return whether a path of a checkpoint's recipe is on no strange host, or the checkpoint is one's own."""
    checkpoint, output_dir = (location.absolute(str(asked[key])) for key in ("checkpoint", "output_dir"))
    is_own = location.below(checkpoint, output_dir) != checkpoint
    return is_own or location.host(path) in ("", location.host(checkpoint), location.host(output_dir))


def _check_taken(taken: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse what a checkpoint may not lead to, beside values that a command line may not have.

    It may be a stranger's, or one's own under another ``output_dir``: it may name paths to read from. But it leads to
    no hosts beside its own and that of ``output_dir``, and synthetic voices are written below ``output_dir`` alone.
    """
    _check_own(taken, asked["checkpoint"])
    output_dir = location.absolute(str(asked["output_dir"]))
    for key, value in leaves(dict(taken)).items():
        if isinstance(value, str) and not _may_be_asked(value, asked):
            raise ValueError(
                f"host of a checkpoint from elsewhere: got {key}={value}, expected a path, or a URI on its own host. "
                f"At {asked['checkpoint']}. Give {key.partition('.')[0]}=... on the command line, or, if you trust "
                "it, put its run below output_dir."
            )
    sources = (taken.get("corpus") or {}).get("sources") or {}
    if not isinstance(sources, dict) or not all(isinstance(node, dict) and TARGET in node for node in sources.values()):
        raise ValueError(
            f"no corpus: got corpus.sources={str(sources)[:100]}, expected components by their names. At "
            f"{asked['checkpoint']}. Give corpus=... on the command line."
        )
    for name, node in sources.items():
        if find_component(node[TARGET]) is not Synthetic:
            continue
        voices = Synthetic(**{key: value for key, value in node.items() if key != TARGET})
        if not voices.is_written and location.below(voices.folder, output_dir) == voices.folder:
            raise ValueError(
                f"voices of a checkpoint from elsewhere: got corpus.sources.{name}.root={voices.root}, expected a "
                f"folder below output_dir={asked['output_dir']}, since they are yet to be written. "
                f"At {asked['checkpoint']}. Give corpus=synthetic."
            )


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
        target = find_component(node[TARGET], ROOMS.get(re.split(r"[.\[]", key)[0], PACKAGES))
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
        expected = _choices(hint) or f"{_plain_name(hint)} ({problem})"
        raise ValueError(f"wrong value: got {value!r}, expected {expected}. At {key}. Correct the value.") from error


def _choices(hint: Any) -> str:
    return f"one of {', '.join(map(str, get_args(hint)))}" if get_origin(hint) is Literal else ""


def _plain_name(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_plain_name, get_args(hint)))
    if hint is NoneType:
        return "null"
    plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    return getattr(plain, "__name__", str(plain))
