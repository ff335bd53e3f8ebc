"""What a text says, and on what grounds: words with the facts of the record that bear them out."""

from collections.abc import Iterable
from string import Formatter
from typing import Any, NamedTuple


class Said(NamedTuple):
    """Words and their facts.

    Attributes
    ----------
    text : str
    facts : tuple of str
        Paths into the record, such as ``segments/3/llr``, in the order in which the text says them.
    """

    text: str
    facts: tuple[str, ...] = ()


def compose(template: str, **fields: Said) -> Said:
    """Fill in a template; facts come in the order in which the text says them.

    >>> compose("{b} and {a}.", a=Said("one", ("x/0",)), b=Said("two", ("x/1",)))
    Said(text='two and one.', facts=('x/1', 'x/0'))
    """
    parts: list[Said] = []
    for literal, field, _, _ in Formatter().parse(template):
        parts.append(Said(literal))
        if field is not None:
            parts.append(fields[field])
    return join(parts, "")


def join(parts: Iterable[Said], between: str) -> Said:
    """Join what is said by a separator."""
    parts = list(parts)
    return Said(between.join(each.text for each in parts), tuple(fact for each in parts for fact in each.facts))


def value_at(plain: Any, path: str) -> Any:
    """Return what the record holds at a path; KeyError where it holds nothing.

    >>> value_at({"segments": [{"llr": 0.5}]}, "segments/0/llr")
    0.5
    """
    here = plain
    for key in path.split("/"):
        if isinstance(here, list | tuple) and key.isdecimal() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict) and key in here:
            here = here[key]
        else:
            raise KeyError(path)
    return here
