"""One rule for when two names are one: of speakers, sessions, utterances, enrolment models and sides of trials.

A name is compared in its composed Unicode form (NFC), without what nobody sees, with one space for each run of blanks
and none at its ends or around a slash. A number that went through a column of floats is the number again. Nothing else
is changed: leading zeros, letter case, and compatibility characters (full-width letters, ligatures) may tell two people
apart. Names that differ in nothing but these, or in blanks, are too much alike to be told apart for sure: see `twins`.

Files keep the names that they have on disk; only what is compared is brought into this form.

References
----------
Unicode Standard Annex 15 (NFC, NFKC); Unicode Standard, section 5.21 (Default_Ignorable_Code_Point) and 5.18 (caseless
matching).
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters of the Unicode property Default_Ignorable_Code_Point: zero-width spaces, joiners, marks of direction."""

WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,14}))\.0")
"""A whole number as a column of floats is printed; such a column has no leading zeros."""

LOST = r"^-?([0-9](\.[0-9]+)?[eE]\+[0-9]+|[0-9]{16,}\.0)$"
"""A number that a column of floats, or a spreadsheet, has rounded: other numbers are printed alike."""

NEEDS_CARE = r"^$|[^!-~]|^/|//|/$|\.0$|[eE]\+[0-9]+$"
"""Names without these stay as they are, and are not looked at one by one."""

EXACT = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}
"""Whole numbers below are exact in floats of so many bits."""

NUM_NAMED = 5

Column = TypeVar("Column", pa.Array, pa.ChunkedArray)


def name(text: str) -> str:
    """Return the form in which a name is compared; what has no visible letter is empty.

    >>> name("Hie\u0302\u0301u") == name(" Hi\u1ebfu\u00a0\u200b") == "Hi\u1ebfu"
    True
    >>> name("Anna  Lee /s1"), name("7.0"), name("007"), name("1e3"), name("NA")
    ('Anna Lee/s1', '7', '007', '1e3', 'NA')
    """
    composed = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    plain = "/".join(" ".join(part.split()) for part in composed.split("/"))
    whole = WHOLE.fullmatch(plain)
    return whole[1] if whole else plain


def names(column: Column, *, where: str) -> Column:
    """Return a column of names in the form in which they are compared, as text; null where no name is known.

    Parameters
    ----------
    column : Column
        Text, numbers or other plain values. Null, NaN and what has no visible letter are unknown.
    where : str
        What the names are of, for errors.

    Raises
    ------
    ValueError
        A number was rounded in a column of floats, so that it stands for several.

    Examples
    --------
    >>> names(pa.array([7.0, None, float("nan")]), where="a list").to_pylist()
    ['7', None, None]
    >>> names(pa.array(["NA", "nan ", "007", " "]), where="a list").to_pylist()
    ['NA', 'nan', '007', None]
    """
    narrow = pa.types.is_float16(column.type) or pa.types.is_float32(column.type)
    exact = EXACT[column.type.bit_width] if narrow else 0.0
    if narrow and pc.any(pc.greater_equal(pc.abs(column.cast(pa.float64())), exact)).as_py():
        raise ValueError(
            f"names are written out: got numbers from {exact:.0f} on in a column of {column.type}, which rounds them, "
            f"expected text or whole numbers. At {where}. Write the table again from its source, with names as text."
        )
    texts = as_text(column)
    if not pc.any(pc.match_substring_regex(texts, NEEDS_CARE)).as_py():
        return texts
    distinct = texts.unique()
    rounded = distinct.filter(pc.match_substring_regex(distinct, LOST))
    if len(rounded):
        raise ValueError(
            f"names are written out: got {len(rounded)} numbers without their last digits, expected all digits. "
            f"At {where}, {rounded[0]} for one. They went through a column of floats or a spreadsheet: write the table "
            "again from its source, with names as text."
        )
    plain = pa.array([name(text or "") or None for text in distinct.to_pylist()], pa.string())
    return plain.take(pc.index_in(texts, value_set=distinct))


def as_text(column: Column) -> Column:
    """Return plain values as text; whole numbers as such, whatever the column's type, and NaN as null.

    >>> as_text(pa.array([1000.0, 0.5, float("nan")])).to_pylist(), as_text(pa.array(["NA"])).to_pylist()
    (['1000', '0.5', None], ['NA'])
    """
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([as_text(chunk) for chunk in column.chunks], pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        distinct = column.unique()
        texts = pa.array([number_text(value) for value in distinct.to_pylist()], pa.string())
        return texts.take(pc.index_in(column, value_set=distinct))
    return column.cast(pa.string())


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column is of text, of whatever size or coding.

    >>> is_text(pa.large_string()), is_text(pa.dictionary(pa.int8(), pa.string())), is_text(pa.float64())
    (True, True, False)
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def number_text(value: float | None) -> str | None:
    """Write a number as it is before it gets into a column of floats; None for one that is not known.

    >>> number_text(7.0), number_text(1e3), number_text(0.5), number_text(float("nan"))
    ('7', '1000', '0.5', None)
    """
    if value is None or value != value:
        return None
    return str(int(value)) if abs(value) < EXACT[64] and value == int(value) else str(value)


def fold(text: str) -> str:
    """Return what is left of a name without letter case, blanks and compatibility characters.

    >>> fold("vox/Anna Lee") == fold("vox/\uff21nnalee"), fold("stra\u00dfe")
    (True, 'strasse')
    """
    folded = unicodedata.normalize("NFKC", name(text)).casefold()
    return "".join(unicodedata.normalize("NFKC", folded).split())


def shared(some: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return those of some names that `fold` makes one with another's, in order.

    >>> shared(["vox/anna", "vox/bob"], ["vox/Anna"])
    ['vox/anna']
    """
    folded = set(map(fold, others))
    return sorted(each for each in set(some) if fold(each) in folded)


def twins(some: Iterable[str]) -> list[list[str]]:
    """Return the groups of different names that `fold` makes one, in order.

    >>> twins(["vox/anna", "vox/bob", "vox/Anna"])
    [['vox/Anna', 'vox/anna']]
    """
    groups: dict[str, list[str]] = {}
    for each in sorted(set(some)):
        groups.setdefault(fold(each), []).append(each)
    return [group for group in groups.values() if len(group) > 1]


def spelled(groups: Iterable[Iterable[str]]) -> str:
    r"""Spell the first few groups for a message, so that forms which look alike are told apart.

    >>> spelled([["Hi\u1ebfu", "Hie\u0302\u0301u"]])
    "'Hi\\u1ebfu' and 'Hie\\u0302\\u0301u'"
    """
    listed = [" and ".join(map(ascii, group)) for group in groups]
    more = f" and {len(listed) - NUM_NAMED} groups more" if len(listed) > NUM_NAMED else ""
    return "; ".join(listed[:NUM_NAMED]) + more
