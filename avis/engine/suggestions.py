"""Word what is wrong with a command line, with the names that may have been meant."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

UNKNOWN_KEY = re.compile(r"(?:override|config\.|config group) '([^']+)'")
"""The words that Hydra has for a key that it does not know."""

MOST_LISTED = 20


def explain(error: BaseException, configs: Path, config_name: str, overrides: Sequence[str]) -> str:
    """Return the message of a user's error.

    Parameters
    ----------
    error : BaseException
    configs : Path
        Folder of the configuration.
    config_name : str
        File in it that was composed.
    overrides : sequence of str
        What stands on the command line.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        return _unknown_choice(error.missing_cfg_file, error.options)
    if isinstance(error, OverrideParseException):
        return (
            f"wrong command line: got {error.override}, expected <key>=<value>. Put what is no list or mapping in "
            f"quotes within quotes: {_quoted(error.override)}."
        )
    if isinstance(error, ConfigCompositionException) and (unknown := UNKNOWN_KEY.search(str(error))):
        return _unknown_key(unknown[1], _known_keys(configs, config_name, overrides, unknown[1]))
    if isinstance(error, HydraException) and error.__cause__:
        return f"{error} {str(error.__cause__).splitlines()[0]}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: got {error.filename}" if error.filename else error.strerror
    return str(error)


def _quoted(override: str) -> str:
    key, _, value = override.partition("=")
    return f"'{key}=\"{value.strip(chr(34))}\"'"


def _unknown_choice(file: str, choices: Sequence[str]) -> str:
    group, _, choice = file.rpartition("/")
    near = difflib.get_close_matches(choice, choices)
    if near or len(choices) > MOST_LISTED:
        expected = f"one of the {len(choices)} choices in configs/{group}"
    else:
        expected = f"one of {', '.join(choices)}"
    return f"unknown choice: got {group}={choice}, expected {expected}. At {group}. {_did_you_mean(near)}"


def _unknown_key(key: str, known: Sequence[str]) -> str:
    known = [name for name in known if name != key and not name.endswith("_target_")]
    of_same_name = [name for name in known if name.rpartition(".")[2] == key]
    near = [*of_same_name, *(name for name in difflib.get_close_matches(key, known) if name not in of_same_name)]
    return f"unknown key: got {key}, expected a key or group of the configuration. At {key}. {_did_you_mean(near)}"


def _did_you_mean(near: Sequence[str]) -> str:
    return f"Did you mean {' or '.join(near[:3])}?" if near else "See --help."


def _known_keys(configs: Path, config_name: str, overrides: Sequence[str], unknown: str) -> list[str]:
    """Return the keys and groups of the configuration without the unknown key, or as it is without any overrides."""
    groups = [str(folder.relative_to(configs)) for folder in sorted(configs.rglob("*")) if folder.is_dir()]
    others = [override for override in overrides if unknown not in override and not override.startswith("-")]
    for chosen in (others, []):
        try:
            with initialize_config_dir(str(configs), version_base="1.3"):
                return sorted({*_keys(OmegaConf.to_container(compose(config_name, list(chosen)))), *groups})
        except HydraException:
            continue
    return groups


def _keys(node: Any, above: str = "") -> Iterator[str]:
    for name, below in node.items() if isinstance(node, dict) else ():
        yield f"{above}{name}"
        yield from _keys(below, f"{above}{name}.")
