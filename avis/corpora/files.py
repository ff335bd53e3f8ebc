"""Write down the files of a corpus as a table of sources. Nothing is decoded here."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from avis.audio.listing import AUDIO_SUFFIXES, AudioFile
from avis.audio.listing import list_audio as list_audio  # a name of this module too, for scripts that list a corpus
from avis.corpora.segment import WHOLE, Segment
from avis.location import read_bytes
from avis.names import name, names, spelled
from avis.schema import SOURCES
from avis.storage_fault import StorageError

SPLITS = ("train", "test")

NO_SESSION = "-"
"""Session of a speaker whose corpus does not tell sessions apart: all of the speaker's files are one session.

That is the cautious reading: no pair of them is ever taken for a cross-session trial.
"""

GENDERS = {"female": "f", "female_feminine": "f", "male": "m", "male_masculine": "m"}
"""How corpora write what is ``f`` or ``m`` in the attribute ``gender``, in lower case; what else they say stays."""

ROWS_AT_ONCE = 1 << 15
Row = TypeVar("Row")

NUM_NAMED = 5
"""How many offenders an error names."""


def read_text(path: str, *, expected: str) -> str:
    """Read a list that belongs to a corpus, local or at a URI: UTF-8, a byte order mark left out.

    Raises
    ------
    ValueError
        There is no such file.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except StorageError:
        raise
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"list missing: got {error}, expected {expected}. At {path}. Check the root of the corpus."
        ) from error


def source(
    file: AudioFile,
    *,
    corpus: str,
    split: str,
    speaker: str,
    session: str,
    utt_id: str | None = None,
    attributes: dict[str, str] | None = None,
    segment: Segment = WHOLE,
) -> dict[str, object]:
    """Make one row of the sources table, with ids that are unique over corpora.

    Unless given, ``utt_id`` is the file's relative path without its suffix, and what tells the segment from others of
    the file. ``gender`` is spelled alike for all corpora, see `GENDERS`.
    """
    attributes = dict(attributes or {})
    if "gender" in attributes:
        attributes["gender"] = spell_gender(attributes["gender"])
    name = without_suffix(file.relative) + segment.suffix if utt_id is None else utt_id
    return {
        "utt_id": f"{corpus}/{name}",
        "speaker": f"{corpus}/{speaker}",
        "session": f"{corpus}/{speaker}/{session}",
        "corpus": corpus,
        "split": split,
        "path": file.path,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "channel": segment.channel,
        "size_bytes": file.size_bytes,
        "modified_ns": file.modified_ns,
        "attributes": sorted(attributes.items()),
    }


def sources_table(rows: Iterable[dict[str, object]], *, may_be_unknown: bool = False) -> pa.Table:
    """Return rows made by `source` as a table in schema `avis.schema.SOURCES`, sorted by path, then id; see `in_order`.

    Raises
    ------
    ValueError
        A file name is not valid UTF-8, which no table can hold.
    """
    tables: list[pa.Table] = []
    bad: list[str] = []
    for some in batches(rows):
        try:
            tables.append(pa.Table.from_pylist(some, schema=SOURCES))
        except UnicodeEncodeError:
            bad += [str(row["path"]) for row in some if not _is_utf8(str(row["path"]))]
            if not bad:
                raise
    if bad:
        raise ValueError(
            f"file name not UTF-8: got num_files={len(bad)}, expected none. At {named(map(ascii, bad))}. Rename them."
        )
    return in_order(tables, may_be_unknown=may_be_unknown)


def in_order(tables: Iterable[pa.Table], *, may_be_unknown: bool = False) -> pa.Table:
    """Join tables in schema `avis.schema.SOURCES` to one, its ids as `avis.names` has them, sorted by path, then id.

    It is said which speakers are written in several ways. With ``may_be_unknown``, speaker and session are empty where
    the speaker has no name.

    Raises
    ------
    ValueError
        A recording has no speaker, and must have one.
    """
    table = pa.concat_tables([SOURCES.empty_table(), *tables])
    say_merged(table["speaker"].unique().to_pylist())
    for column in ("utt_id", "speaker", "session"):
        compared = names(table[column], where=column)
        table = table.set_column(SOURCES.get_field_index(column), SOURCES.field(column), compared)
    nobody = pc.binary_join_element_wise(names(table["corpus"], where="corpus"), "", "/")
    is_unknown = pc.equal(table["speaker"], nobody)
    if may_be_unknown:
        for column in ("speaker", "session"):
            known = pc.if_else(is_unknown, "", table[column])
            table = table.set_column(SOURCES.get_field_index(column), SOURCES.field(column), known)
    elif len(unknown := table["path"].filter(is_unknown)):
        raise ValueError(
            f"speaker unknown: got num_recordings={len(unknown)} without a name, expected none. "
            f"At {named(unknown.to_pylist())}. Say who speaks, or leave them out."
        )
    return table.sort_by([("path", "ascending"), ("utt_id", "ascending")])


def say_merged(speakers: Iterable[str], *, key: Callable[[str], str] = name) -> None:
    r"""Say whose name is written in several ways, which ``key`` makes one.

    >>> say_merged(["vox/Zo\u00e9", "vox/Ann", "vox/Zoe\u0301"])
    1 speakers are written in several ways, taken for one each: 'vox/Zoe\u0301' and 'vox/Zo\xe9'
    """
    ways: dict[str, list[str]] = {}
    for speaker in sorted(set(speakers)):
        ways.setdefault(key(speaker), []).append(speaker)
    if several := [forms for forms in ways.values() if len(forms) > 1]:
        print(
            f"{len(several)} speakers are written in several ways, taken for one each: {spelled(several)}", flush=True
        )


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut rows into lists, so that few of them are Python objects at a time.

    >>> list(batches([]))
    []
    """
    left = iter(rows)
    while some := list(itertools.islice(left, ROWS_AT_ONCE)):
        yield some


def check_split(split: str, *, where: str) -> str:
    """Return ``split`` if it is one of `SPLITS`, else raise ValueError naming ``where`` it stands."""
    if split not in SPLITS:
        raise ValueError(
            f"unknown split: got split={split!r}, expected one of {', '.join(SPLITS)}. At {where}. Correct it."
        )
    return split


def spell_gender(written: str) -> str:
    """Spell a gender alike for all corpora, see `GENDERS`.

    >>> spell_gender("Female "), spell_gender("other")
    ('f', 'other')
    """
    plain = name(written).lower()
    return GENDERS.get(plain, plain)


def without_suffix(relative: str) -> str:
    """Strip an audio suffix and nothing else.

    >>> without_suffix("a.b/c.v2.FLAC"), without_suffix("a.b/c.v2")
    ('a.b/c.v2', 'a.b/c.v2')
    """
    stem, suffix = os.path.splitext(relative)
    return stem if suffix.lower() in AUDIO_SUFFIXES else relative


def named(items: Iterable[str]) -> str:
    """Join the first few items for an error message.

    >>> named(["a", "b"]), named("abcdefg")
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    listed = list(items)
    more = f" and {len(listed) - NUM_NAMED} more" if len(listed) > NUM_NAMED else ""
    return ", ".join(listed[:NUM_NAMED]) + more


def _is_utf8(text: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
