"""One recording inside a file: where it lies, and what its header states wrongly."""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO, cast


@dataclass(frozen=True, kw_only=True)
class Part:
    """One recording inside a file, as a decoder has to see it.

    Attributes
    ----------
    form : str
        The container's name, for messages.
    start, stop : int
        First byte in the file, and the one after the last by what the container says: beyond the file's end where the
        file is cut.
    next : int
        Where what follows begins: chunks that are no audio may lie between.
    patches : tuple of (int, bytes)
        Place in the file, and the bytes that should stand there: lengths that were never written, or wrapped.
    prefix : bytes
        Bytes that should stand before the part.
    min_frames : int or None
        Frames that an intact part decodes to; None for what the decoder finds in the header.
    slack_frames : int
        How many frames fewer than the header says do not count as lost.
    demuxer : str or None
        FFmpeg's name of the container, where libsndfile does not read it.
    """

    form: str
    start: int
    stop: int
    next: int
    patches: tuple[tuple[int, bytes], ...] = ()
    prefix: bytes = b""
    min_frames: int | None = None
    slack_frames: int = 0
    demuxer: str | None = None

    def open(self, file: BinaryIO) -> BinaryIO:
        """Return the part as a file of its own: the file itself where the part is all of it."""
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if self.start == 0 and self.stop >= size and not self.patches and not self.prefix:
            return file
        return cast(BinaryIO, _View(file, self, min(self.stop, size)))


class _View(io.RawIOBase):
    """The bytes of a part, read from the file as they are asked for. Reads are never short but at the end."""

    def __init__(self, file: BinaryIO, part: Part, stop: int) -> None:
        self.file, self.part = file, part
        self.base = part.start - len(part.prefix)
        self.size = stop - self.base
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, buffer: Any) -> int:
        num = max(0, min(len(buffer), self.size - self.position))
        head = self.part.prefix[self.position : self.position + num]
        place = max(self.part.start, self.base + self.position)
        data = bytearray(head + read_at(self.file, place, num - len(head)))
        for at, right in self.part.patches:
            for i in range(max(at, place), min(at + len(right), place + len(data) - len(head))):
                data[i - place + len(head)] = right[i - at]
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where recordings are looked for.

    Attributes
    ----------
    file : BinaryIO
        To read from; where it stands afterwards is not defined.
    tagged, start : int
        Where the container begins, with the tags before it and without.
    end : int
        Where the tags at the file's end begin.
    size : int
        Of the file.
    is_whole : bool
        Whether all of the file is wanted. If not, what the header states is believed, and the rest is not read.
    where : str
        For the error.
    """

    file: BinaryIO
    tagged: int
    start: int
    end: int
    size: int
    is_whole: bool
    where: str

    def read(self, position: int, num: int) -> bytes:
        """Return so many bytes from there on, or as many as there are."""
        return read_at(self.file, position, num)


def read_at(file: BinaryIO, position: int, num: int) -> bytes:
    """Return so many bytes from there on, or as many as there are."""
    file.seek(position)
    return file.read(max(0, num))
