"""Take a command line as it was typed: names and paths are text, whatever Hydra's grammar would make of them."""

import re
import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

OVERRIDE = re.compile(r"(?P<key>\+{0,2}[^=+~'\"\s-][^=\s]*)=(?P<value>.*)", re.DOTALL)
HYDRAS = "config|cfg|info|package|hydra|shell|experimental"
DASHED = re.compile(rf"--?(?P<override>(?!{HYDRAS})[^=\s-][^=\s]*=.*)", re.DOTALL)

TEXT = re.compile(
    r"\+{0,2}(?!hydra\.)(?:.+\.)?(?:output_dir|run|resume|extends|start_from|enrolments|baseline|trials|scores"
    r"|development|runs|checkpoint|store|file|weights|path|root|name|meta|tsv|segments|\w+_(?:root|checkpoint)"
    r"|verifier|gallery|tokens|audit|certificate|(?<=^tls\.)key|(?<=^trials\.)\w+)"
)
"""Keys whose values are names or paths, or lists of such."""

LISTS = ("scores", "development", "runs")
PIECE = re.compile(r"\w+:(?!//).*")
"""What a shell leaves of each entry of a mapping in braces: ``{a:1,b:2}``."""

COMMAS = re.compile(r"""((?:[^,"']|"[^"]*"|'[^']*')+)""")


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Return arguments as Hydra reads in them what was typed.

    A name or path is quoted, so that ``run=007``, ``run=1e5`` and ``corpus.root=/data/a,b`` are what they say; null
    stays null, as do lists of names, and interpolations within. So is any other value that Hydra cannot read and that
    is no list, no mapping and not quoted already. With ``--multirun`` commas and functions are Hydra's.

    Raises
    ------
    ValueError
        If the shell has taken an argument apart, a name or path is empty, or there is no key. It shows how to quote.

    Examples
    --------
    >>> as_typed(["run=007", "corpus.root=/data/a,b", "runs=[1e5,x]", "trainer.num_epochs=3", "trials=null"])
    ["run='007'", "corpus.root='/data/a,b'", "runs=['1e5','x']", 'trainer.num_epochs=3', 'trials=null']
    """
    if {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    _check_whole(arguments)
    parser = OverridesParser.create()
    return [_understood(argument, parser) for argument in arguments]


def _understood(argument: str, parser: OverridesParser) -> str:
    matched = OVERRIDE.fullmatch(argument)
    if matched is None:
        return argument
    key, value = matched["key"], matched["value"]
    if TEXT.fullmatch(key):
        if not value.strip():
            raise ValueError(
                f"value empty: got {argument}, expected a name or a path. At {key}. Is a shell variable unset, or a "
                f"blank behind the equals sign? Give {key}=<value>, or {key}=null for none."
            )
        if value != "null" and not _is_quoted(value, parser):
            return f"{key}={_text(key.rpartition('.')[2], value)}"
        return argument
    try:
        several = parser.parse_override(argument).is_sweep_override()
    except HydraException:
        return argument if value[:1] in tuple("[{('\"") else f"{key}={_quoted(value)}"
    if several:
        raise ValueError(
            f"several values: got {argument}, expected one, or a list in brackets. At {key}. "
            f"Give {shlex.quote(f'{key}=[{value}]')}."
        )
    return argument


def _text(name: str, value: str) -> str:
    if name in LISTS and value[0] == "[" and value[-1] == "]":
        return "[" + ",".join(_quoted(item) for item in _items(value)) + "]"
    if value[0] == "{" and value[-1] == "}":
        pairs = (item.partition(":") for item in _items(value))
        return value if "{" in value[1:] else "{" + ",".join(f"{k}: {_quoted(v.strip())}" for k, _, v in pairs) + "}"
    return QuotedString(value, Quote.single).with_quotes()


def _items(value: str) -> list[str]:
    return [item.strip() for item in COMMAS.findall(value[1:-1]) if item.strip()]


def _quoted(value: str) -> str:
    if value[:1] == value[-1:] and value[:1] in ("'", '"') and len(value) > 1:
        return value
    return QuotedString(value, Quote.single).with_quotes()


def _is_quoted(value: str, parser: OverridesParser) -> bool:
    if value[0] not in "'\"" or value[0] != value[-1] or len(value) == 1:
        return False
    try:
        return isinstance(parser.parse_override(f"key={value}").value(), str)
    except HydraException:
        return False


def _check_whole(arguments: Sequence[str]) -> None:
    """Refuse what a shell has taken apart: at blanks, or braces."""
    given: dict[str, list[str]] = {}
    for number, argument in enumerate(arguments):
        if dashed := DASHED.fullmatch(argument):
            raise ValueError(
                f"unknown option: got {argument}, expected <key>=<value> without dashes. At the command line. "
                f"Give {shlex.quote(dashed['override'])}."
            )
        if matched := OVERRIDE.fullmatch(argument):
            given.setdefault(matched["key"], []).append(matched["value"])
        elif argument[:1] not in ("-", "~") and (number == 0 or arguments[number - 1][:1] != "-"):
            before = arguments[number - 1] if number and OVERRIDE.fullmatch(arguments[number - 1]) else ""
            whole = f"{before} {argument}" if before and before[-1] != "=" else f"{before or '<key>='}{argument}"
            raise ValueError(
                f"wrong command line: got {argument}, expected <key>=<value>. At {before or 'the command line'}. "
                f"If that is one setting, write it as {shlex.quote(whole)}."
            )
    for key, values in given.items():
        if len(values) > 1 and (key in LISTS or all(map(PIECE.fullmatch, values))):
            opening, closing = "[]" if key in LISTS else "{}"
            whole = f"{key}={opening}{','.join(values)}{closing}"
            raise ValueError(
                f"setting in pieces: got {' '.join(f'{key}={value}' for value in values)}, expected one {key}=, since "
                f"shells take braces apart. At {key}. Give {shlex.quote(whole)}."
            )
