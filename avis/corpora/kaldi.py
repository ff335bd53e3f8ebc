"""Read a Kaldi data directory."""

import posixpath
import re
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root
from avis.corpora.files import NO_SESSION, check_split, named, read_text, say_merged, source, sources_table
from avis.corpora.manifest import ALLOWED, check_inside, look_up
from avis.corpora.segment import WHOLE, Segment, parse_segment
from avis.location import exists, join, split_query
from avis.names import name

BLANKS = "[ \t]+"
"""What parts the fields of a line; a no-break space is part of a name."""

NO_END = "-1"
"""End of a segment that lasts to the recording's end."""

ATTRIBUTES = {"spk2gender": "gender", "spk2age": "age", "utt2lang": "language"}
"""Files that may be there, by speaker or by utterance, and what they tell."""


@dataclass(frozen=True, kw_only=True)
class Kaldi:
    """Utterances listed by ``wav.scp`` and ``utt2spk`` and, where it is there, cut by ``segments``.

    ``utt_id`` is ``<name>/<utterance>``. With ``segments`` the session is the recording; without, nothing tells
    sessions apart, and all utterances of a speaker are one (`avis.corpora.files.NO_SESSION`). A line of
    ``reco2file_and_channel`` gives the channel of a recording: ``A`` and ``B``, or from 1 on. Attributes are those of
    `ATTRIBUTES`.

    Commands in ``wav.scp`` (lines that end in ``|``) are refused: they are programs of whoever wrote the file. SPHERE,
    FLAC, MP3 and M4A need none. Nor are archives (``x.ark:1234``) read.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder with the files named above.
    audio_root : str or None
        What the audio lies below, and relative paths in ``wav.scp`` are relative to (in Kaldi the folder that a recipe
        runs in), a folder or a URI; None for ``root``.
    split : str
        ``train`` or ``test``.
    allow_outside : bool
        Read files that do not lie below ``audio_root`` too, see `avis.corpora.manifest.check_inside`.

    References
    ----------
    https://kaldi-asr.org/doc/data_prep.html; checks as in Kaldi's ``utils/validate_data_dir.sh``.
    """

    name: str
    root: str
    audio_root: str | None
    split: str
    allow_outside: bool = False

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the utterances as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            A file is missing, a line is off its format or repeats an id, ``wav.scp`` holds a command or leads out of
            the root, or the files don't agree on the utterances.
        """
        root = existing_root(self.root)
        paths = read_paths(join(root, "wav.scp"))
        speakers = read_table(join(root, "utt2spk"), num_fields=1)
        say_merged(speaker for [speaker] in speakers.values())
        is_cut = exists(join(root, "segments"))
        segments = _read_segments(root, paths) if is_cut else {recording: (recording, WHOLE) for recording in paths}
        _check_same(set(speakers), set(segments), root)
        channels = _read_channels(join(root, "reco2file_and_channel"))
        audio_root = root if self.audio_root is None else existing_root(self.audio_root)
        if not self.allow_outside:
            advice = ALLOWED.format(key="audio_root")
            check_inside(list(paths.values()), root=audio_root, where=join(root, "wav.scp"), advice=advice)
        files = dict(zip(paths, look_up(list(paths.values()), root=audio_root), strict=True))
        labelled = {label: _optional(join(root, file)) for file, label in ATTRIBUTES.items()}
        rows = []
        for utterance, (recording, segment) in segments.items():
            speaker = name(speakers[utterance][0])
            attributes = {label: (by.get(speaker) or by.get(utterance) or [""])[0] for label, by in labelled.items()}
            rows.append(
                source(
                    files[recording],
                    corpus=self.name,
                    split=self.split,
                    speaker=speaker,
                    session=recording if is_cut else NO_SESSION,
                    utt_id=utterance,
                    attributes={label: value for label, value in attributes.items() if value},
                    segment=Segment(
                        start_s=segment.start_s, end_s=segment.end_s, channel=channels.get(recording, segment.channel)
                    ),
                )
            )
        return sources_table(rows)


def read_table(path: str, *, num_fields: int) -> dict[str, list[str]]:
    """Read lines of an id (see `avis.names`) and further fields; the last field may hold spaces.

    Raises
    ------
    ValueError
        The file is missing or empty, a line has too few fields, or an id is there twice.
    """
    text = read_text(path, expected=f"{posixpath.basename(split_query(path)[0])} of a Kaldi directory")
    lines = [re.split(BLANKS, line.strip(), maxsplit=num_fields) for line in text.split("\n") if line.strip()]
    table: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        key = name(line[0])
        if len(line) != num_fields + 1 or key in table:
            raise ValueError(
                f"line off the Kaldi format: got {' '.join(line)[:120]!r}, expected an id that is there once and "
                f"{num_fields} further fields. At {path} line {number}. Make the directory again."
            )
        table[key] = line[1:]
    if not table:
        raise ValueError(f"empty file: got no line, expected at least one. At {path}. Make the directory again.")
    return table


def _optional(path: str) -> dict[str, list[str]]:
    return read_table(path, num_fields=1) if exists(path) else {}


def read_paths(path: str) -> dict[str, str]:
    """Read a ``wav.scp``: where each recording is, by its id.

    Raises
    ------
    ValueError
        See `read_table`; or a line holds a command.
    """
    paths = {recording: value for recording, [value] in read_table(path, num_fields=1).items()}
    commands = [recording for recording, value in paths.items() if value.endswith("|") or value.startswith("|")]
    if commands:
        raise ValueError(
            f"commands are not run: got num_commands={len(commands)}, expected paths of audio files. At {path}: "
            f"{named(commands)}. Write the path alone where it is a SPHERE, FLAC, MP3 or M4A file, else run the "
            "commands once into files."
        )
    return paths


def _read_segments(root: str, paths: dict[str, str]) -> dict[str, tuple[str, Segment]]:
    """Return recording and segment of each utterance."""
    path = join(root, "segments")
    lines = {
        utterance: (name(recording), start, end)
        for utterance, (recording, start, end) in read_table(path, num_fields=3).items()
    }
    unknown = sorted({recording for recording, _, _ in lines.values()} - paths.keys())
    if unknown:
        raise ValueError(
            f"recordings missing from wav.scp: got num_recordings={len(unknown)}, expected all of segments in it. "
            f"At {path}: {named(unknown)}. Make the directory again."
        )
    segments = {}
    for utterance, (recording, start, end) in lines.items():
        values = {"start_s": start, "end_s": "" if end == NO_END else end}
        segments[utterance] = (recording, parse_segment(values, where=f"{path} {utterance}"))
    return segments


def _read_channels(path: str) -> dict[str, int]:
    if not exists(path):
        return {}
    channels = {}
    for recording, (_, side) in read_table(path, num_fields=2).items():
        side = {"A": "1", "B": "2"}.get(side, side)
        channels[recording] = parse_segment({"channel": side}, where=f"{path} {recording}").channel or 1
    return channels


def _check_same(spoken: set[str], heard: set[str], root: str) -> None:
    """Refuse a directory that lists utterances without speaker or audio."""
    odd = sorted(spoken ^ heard)
    if odd:
        raise ValueError(
            f"files of the directory disagree: got num_utterances={len(odd)} in utt2spk or in the audio alone, "
            f"expected none. At {root}: {named(odd)}. Run Kaldi's utils/fix_data_dir.sh on it."
        )
