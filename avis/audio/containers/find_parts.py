"""Find the recordings in a file: all that it holds, and not only what its first header admits."""

import io
from collections.abc import Callable
from typing import BinaryIO

from avis.audio.audio_error import more_than_read
from avis.audio.containers import chunks, flac, headers, mp4, mpeg, ogg
from avis.audio.containers.part import Part, Search, read_at
from avis.audio.containers.tags import after_tags, before_tags

MAX_PADDING_BYTES = 4096
"""So many zeros after the audio are padding of a file system or a program."""

NUM_STRAY_BYTES = 8
"""Fewer bytes than these hold no header, and no sound to speak of."""

FORMS_WITHOUT_LENGTH = ("FLAC", "Ogg", "MP3", "MP4", "AAC", "AMR")
"""Whose headers state no length in bytes that could be wrong. Zeros after them, however many, are no audio."""

FINDERS = {
    **dict.fromkeys(chunks.LAYOUTS, chunks.find),
    b"fLaC": flac.find,
    b"OggS": ogg.find,
    b".snd": headers.find_au,
    b"NIST": headers.find_sphere,
    b"#!AM": headers.find_amr,
    headers.ASF_MAGIC[:4]: headers.find_asf,
}


def find_parts(file: BinaryIO, *, where: str, is_whole: bool = True) -> list[Part]:
    """Find the recordings in a file by the headers of its containers, without decoding.

    Most files hold one. Joined files, and chains of Ogg, hold several, which follow each other. What stands in none of
    them is no audio (tags, padding) or an error.

    Parameters
    ----------
    file : BinaryIO
        To read from; where it stands afterwards is not defined.
    where : str
        For the error.
    is_whole : bool
        Whether all of the file is wanted. If not, only the first recording is looked for, and what its header states
        is believed where that saves reading all of the file.

    Raises
    ------
    AudioError
        ``more_than_read``: bytes follow the audio that no header explains, or several streams lie side by side.
        ``truncated``, ``unreadable``: as `avis.audio.containers.ogg.find` and `avis.audio.containers.headers` say.
    """
    size = file.seek(0, io.SEEK_END)
    end = before_tags(file, size) if is_whole else size
    parts: list[Part] = []
    position = 0
    while position < end:
        start = after_tags(file, position)
        find = _finder(read_at(file, start, 12), is_tagged=start > position)
        if find is None:
            break
        parts += find(
            Search(file=file, tagged=position, start=start, end=end, size=size, is_whole=is_whole, where=where)
        )
        if not is_whole:
            return parts
        position = _after_padding(file, max(parts[-1].next, start + 1))
    if not parts:  # of a kind that libsndfile may know
        return [Part(form="", start=0, stop=size, next=size)]
    _check_rest(file, position, end, parts[-1].form, where)
    return parts


def _finder(head: bytes, *, is_tagged: bool) -> Callable[[Search], list[Part]] | None:
    if find := FINDERS.get(head[:4]):
        return find
    if head[4:8] == b"ftyp":
        return mp4.find
    if headers.is_adts(head):
        return headers.find_adts
    return mpeg.find if is_tagged or mpeg.is_frame(head) else None


def _after_padding(file: BinaryIO, position: int) -> int:
    """Return where the zeros end that begin there, where something follows them."""
    padded = read_at(file, position, MAX_PADDING_BYTES)
    rest = padded.lstrip(b"\0")
    return position + len(padded) - len(rest) if rest else position


def _check_rest(file: BinaryIO, position: int, end: int, form: str, where: str) -> None:
    """Refuse bytes after the audio that may be more of it."""
    rest = end - position
    if rest < NUM_STRAY_BYTES:
        return
    may_be_padding = rest <= MAX_PADDING_BYTES or form in FORMS_WITHOUT_LENGTH
    if may_be_padding and not read_at(file, position, rest).strip(b"\0"):
        return
    cut = f"head -c {position} IN > OUT"
    is_stated = form not in FORMS_WITHOUT_LENGTH
    raise more_than_read(
        where,
        f"got {rest} bytes from byte {position} on, after the audio of this {form}, expected none",
        f"if they are audio, sox --ignore-length IN OUT.wav; if not, {cut}" if is_stated else cut,
    )
