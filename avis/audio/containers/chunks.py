"""Find the audio in containers made of chunks: WAV, RF64 and BW64, W64, AIFF and CAF."""

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, NamedTuple

from avis.audio.audio_error import more_than_read
from avis.audio.containers import mpeg
from avis.audio.containers.part import Part, Search, read_at
from avis.audio.containers.tags import next_header

UNKNOWN_BYTES = 1 << 62
"""Lengths of 64 bit from here on say that the length is not known."""

WRAP_BYTES = 1 << 32
"""A length of 32 bit counts round here."""

TAIL_BYTES = 1 << 16
"""How far before the end chunks are looked for that follow audio of unknown length."""

MPEG_TAGS = (0x50, 0x55)
"""Of WAV's ``fmt`` chunk: MPEG Layer II and III, which lie in the ``data`` chunk as they would in a file."""

LIBSNDFILE_TAGS = (*(0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x14, 0x31, 0x38, 0x40), *MPEG_TAGS, 0xFFFE)
"""Of codecs that libsndfile decodes; FFmpeg is asked for the others, such as G.722 and G.726."""

KNOWN_NAMES = (
    *(b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue ", b"fact", b"smpl", b"inst", b"JUNK", b"junk", b"PAD "),
    *(b"PEAK", b"DISP", b"axml", b"afsp", b"acid", b"_PMX", b"NAME", b"AUTH", b"ANNO", b"(c) ", b"MARK", b"COMT"),
    *(
        b"cart",
        b"chna",
        b"regn",
        b"umid",
        b"APPL",
        b"INST",
        b"free",
        b"info",
        b"strg",
        b"mark",
        b"uuid",
        b"pakt",
        b"levl",
        b"SAUR",
        b"COMM",
        b"FVER",
    ),
)
W64_NAME_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a container's chunks are laid out.

    Attributes
    ----------
    form : str
        Its name.
    head_bytes : int
        Before the first chunk.
    chunk : str
        Format of a chunk's name and size.
    audio : bytes
        Name of the chunk that holds the audio.
    before_audio : int
        Bytes in that chunk before the audio.
    placeholder : int
        Sizes from here on are written by programs that cannot go back to the header.
    alignment : int
        Chunks begin at multiples of so many bytes.
    counts_head : bool
        Whether a chunk's size counts its name and size.
    """

    form: str
    head_bytes: int
    chunk: str
    audio: bytes
    before_audio: int = 0
    placeholder: int
    alignment: int = 2
    counts_head: bool = False

    @property
    def chunk_bytes(self) -> int:
        """Length of a chunk's name and size."""
        return struct.calcsize(self.chunk)

    @property
    def size_bytes(self) -> int:
        """Length of a chunk's size."""
        return struct.calcsize(self.chunk[0] + self.chunk[-1])

    def read(self, file: BinaryIO, position: int) -> tuple[bytes, int] | None:
        """Return name and size, without the head, of the chunk that begins there; None if the file ends before it."""
        head = read_at(file, position, self.chunk_bytes)
        if len(head) < self.chunk_bytes:
            return None
        name, size = struct.unpack(self.chunk, head)
        return name, max(0, size - self.chunk_bytes * self.counts_head)

    def after(self, position: int, size: int) -> int:
        """Return where the chunk ends that begins there, padding included."""
        return position + self.chunk_bytes + size + -size % self.alignment

    def is_name(self, name: bytes) -> bool:
        """Tell whether this can be the name of a chunk that holds no audio."""
        letters = all(0x20 <= byte < 0x7F for byte in name[:4])
        return letters and name[4:] in (b"", W64_NAME_END) and name != self.audio and name[:4] not in FILE_NAMES


WAV = Layout(form="WAV", head_bytes=12, chunk="<4sI", audio=b"data", placeholder=0x7FFFF000)
LAYOUTS = {
    b"RIFF": WAV,
    b"RIFX": Layout(form="WAV", head_bytes=12, chunk=">4sI", audio=b"data", placeholder=0x7FFFF000),
    b"RF64": WAV,
    b"BW64": WAV,
    b"FORM": Layout(form="AIFF", head_bytes=12, chunk=">4sI", audio=b"SSND", before_audio=8, placeholder=0x7F000000),
    b"caff": Layout(
        form="CAF", head_bytes=8, chunk=">4sQ", audio=b"data", before_audio=4, placeholder=UNKNOWN_BYTES, alignment=1
    ),
    b"riff": Layout(
        form="W64",
        head_bytes=40,
        chunk="<16sQ",
        audio=b"data" + W64_NAME_END,
        placeholder=UNKNOWN_BYTES,
        alignment=8,
        counts_head=True,
    ),
}
FILE_NAMES = (*LAYOUTS, b"fLaC", b"OggS", b".snd", b"NIST")
"""How files begin: these names are no chunks."""


def find(search: Search) -> list[Part]:
    """Find the audio of a container of chunks.

    Where the audio's length was never written (0, or a placeholder), and where it wrapped at 4 GiB, the audio goes on
    to the end of the file, less the chunks there.
    """
    file, start, size = search.file, search.start, search.size
    head = read_at(file, start, 12)
    layout = LAYOUTS[head[:4]]
    if head[:4] == b"FORM" and head[8:11] != b"AIF":
        stop = start + 8 + int.from_bytes(head[4:8], "big")
        return [Part(form="FORM", start=start, stop=stop, next=stop)]
    position, tag, long_size = start + layout.head_bytes, 0, None
    while (chunk := layout.read(file, position)) is not None and chunk[0] != layout.audio:
        if chunk[0] == b"fmt ":
            tag = int.from_bytes(read_at(file, position + 8, 2), "little")
        if chunk[0] == b"ds64":
            long_size = position + 16
        position = layout.after(position, chunk[1])
    if chunk is None:  # the header itself is cut: the decoder says so
        return [Part(form=layout.form, start=start, stop=size, next=size)]
    declared = _DeclaredLength(chunk[1], position + layout.chunk_bytes - layout.size_bytes, layout.size_bytes)
    if long_size is not None and chunk[1] == 0xFFFFFFFF:
        declared = _DeclaredLength(int.from_bytes(read_at(file, long_size, 8), "little"), long_size, 8)
    part = _part(search, layout, position, declared)
    if head[:4] == b"BW64":
        part = replace(part, patches=(*part.patches, (start, b"RF64")))
    if tag in MPEG_TAGS and layout.form == "WAV":
        body = position + layout.chunk_bytes
        found = mpeg.find(replace(search, tagged=body, start=body, end=min(part.stop, size)))
        return [*found[:-1], replace(found[-1], next=part.next)]
    if tag not in LIBSNDFILE_TAGS and layout is LAYOUTS[b"RIFF"]:
        part = replace(part, demuxer="wav")
    return [part]


class _DeclaredLength(NamedTuple):
    """A length that a header states, where it stands, and in how many bytes."""

    length: int
    place: int
    width: int


def _part(search: Search, layout: Layout, position: int, declared: _DeclaredLength) -> Part:
    file, start, end = search.file, search.start, search.end
    body = position + layout.chunk_bytes
    after = layout.after(position, declared.length)
    placeholder = layout.placeholder if declared.width == 4 else UNKNOWN_BYTES
    if declared.length <= layout.before_audio:
        is_open = after < end and _after_chunks(file, layout, after, end) < end
    else:
        is_open = declared.length >= placeholder and body + declared.length > end
    stop = body + declared.length
    if is_open or (declared.width == 4 and end - stop >= WRAP_BYTES):
        last = _before_chunks(search, layout, body)
        if is_open or (last - stop) % WRAP_BYTES <= declared.length % 2:
            return _open_part(search, layout, declared, body, last)
    following = _after_chunks(file, layout, stop, end) if search.is_whole else end
    return Part(form=layout.form, start=start, stop=stop, next=following)


def _open_part(search: Search, layout: Layout, declared: _DeclaredLength, body: int, last: int) -> Part:
    """Return a part whose audio lies between two places; of WAV beyond 4 GiB, with a header as RF64 has it."""
    right = last - body + layout.chunk_bytes * layout.counts_head
    following = next_header(search.file, last, search.end) if search.is_whole else search.end
    if right < 1 << 8 * declared.width:
        order: Literal["little", "big"] = "little" if layout.chunk[0] == "<" else "big"
        patch = (declared.place, right.to_bytes(declared.width, order))
        return Part(form=layout.form, start=search.start, stop=last, next=following, patches=(patch,))
    if layout is not LAYOUTS[b"RIFF"]:
        found = f"got {right} bytes of audio, expected fewer than the 4 GiB that {layout.form} can state"
        raise more_than_read(search.where, found, "sox --ignore-length IN OUT.w64")
    head = search.read(search.start, body - search.start)
    long_sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(head) + 28 + right, right, 0, 0)
    prefix = b"RF64\xff\xff\xff\xff" + head[8:12] + long_sizes + head[12:-4] + b"\xff\xff\xff\xff"
    return Part(form=layout.form, start=body, stop=last, next=following, prefix=prefix)


def _after_chunks(file: BinaryIO, layout: Layout, position: int, end: int) -> int:
    """Return where the chunks end that follow the audio; some writers leave out the padding before them."""
    while end - position >= layout.chunk_bytes:
        for at in range(position, position + layout.alignment):
            name, length = layout.read(file, at) or (b"", 0)
            after = layout.after(at, length)
            if layout.is_name(name) and (after <= end + layout.alignment or name[:4] in KNOWN_NAMES):
                break
        else:
            return position
        position = min(after, end)
    return position


def _before_chunks(search: Search, layout: Layout, body: int) -> int:
    """Return where audio of unknown length ends: before another file, or the chunks that reach to the end exactly."""
    end = next_header(search.file, body, search.end) if search.is_whole else search.end
    first = max(body, end - TAIL_BYTES)
    tail = search.read(first, end - first)
    found = end
    for name in KNOWN_NAMES:
        at = tail.find(name)
        while 0 <= at < found - first:
            if _reaches(search.file, layout, first + at, end):
                found = first + at
            at = tail.find(name, at + 1)
    return found


def _reaches(file: BinaryIO, layout: Layout, position: int, end: int) -> bool:
    while position < end and (chunk := layout.read(file, position)) is not None and layout.is_name(chunk[0]):
        position = layout.after(position, chunk[1])
    return end <= position < end + layout.alignment
