"""Find the audio in containers with a plain header: AU, NIST SPHERE, bare AAC, AMR and ASF."""

from avis.audio.audio_error import AudioError, more_than_read
from avis.audio.containers.part import Part, Search
from avis.audio.containers.tags import next_header

AU_HEAD_BYTES = 12
UNKNOWN_AU_BYTES = 0xFFFFFFFF
WRAP_BYTES = 1 << 32
"""Lengths of 32 bit count round here."""

ADTS_HEAD_BYTES = 7
AMR_MAGIC = b"#!AMR"
ASF_MAGIC = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_IS_BROADCAST = 1


def find_au(search: Search) -> list[Part]:
    """Find the audio of an AU file: up to the end where its length is unknown, or wrapped at 4 GiB."""
    head = search.read(search.start, AU_HEAD_BYTES)
    body, declared = search.start + int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
    rest = search.end - body - declared
    if declared in (0, UNKNOWN_AU_BYTES) or (rest > 0 and rest % WRAP_BYTES == 0):
        patch, stop = (search.start + 8, UNKNOWN_AU_BYTES.to_bytes(4, "big")), _open_end(search, body)
        return [Part(form="AU", start=search.start, stop=stop, next=stop, patches=(patch,))]
    return [Part(form="AU", start=search.start, stop=body + declared, next=body + declared)]


def find_sphere(search: Search) -> list[Part]:
    """Find the audio of a SPHERE file by its header (lines of ``name -type value`` below the header's length).

    Without a number of samples it goes on to the end.

    Raises
    ------
    AudioError
        ``unreadable``: the audio is compressed by shorten, which nothing here decodes.
    """
    lines = [line.split(None, 2) for line in search.read(search.start, 1024).decode("latin-1").splitlines()]
    values = {line[0]: line[2] for line in lines if len(line) == 3}
    coding = values.get("sample_coding", "pcm")
    if "shorten" in coding or "wavpack" in coding or "shortpack" in coding:
        raise AudioError(
            "unreadable",
            f"compressed SPHERE: got sample_coding={coding.strip()}, expected pcm, alaw or ulaw. At {search.where}. "
            "Unpack it: sph2pipe -f wav IN OUT.wav",
        )
    try:
        num_header = int(lines[1][0])
        sizes = [int(values[name]) for name in ("sample_count", "channel_count", "sample_n_bytes")]
    except (KeyError, ValueError, IndexError):
        sizes, num_header = [0], 0
    num_bytes = sizes[0] * sizes[-1] * (sizes[1] if len(sizes) == 3 else 0)
    stop = search.start + num_header + num_bytes if num_bytes else _open_end(search, search.start + 1)
    return [Part(form="SPHERE", start=search.start, stop=stop, next=stop)]


def _open_end(search: Search, body: int) -> int:
    """Return where audio of unknown length ends: where another file begins, or all of it."""
    return next_header(search.file, body, search.end) if search.is_whole else search.end


def find_adts(search: Search) -> list[Part]:
    """Walk the frames: the last must be whole (ISO/IEC 13818-7, section 6.2). Joined streams are one stream."""
    position = search.start if search.is_whole else search.end
    while is_adts(head := search.read(position, ADTS_HEAD_BYTES)) and len(head) == ADTS_HEAD_BYTES:
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if length < ADTS_HEAD_BYTES:
            position = search.size + 1
            break
        position += length
    stop = max(position, search.end)
    return [Part(form="AAC", start=search.start, stop=stop, next=stop, demuxer="aac")]


def find_amr(search: Search) -> list[Part]:
    """Take an AMR stream up to the end: it states no length.

    Raises
    ------
    AudioError
        ``more_than_read``: another one follows.
    """
    start, end = search.start, search.end
    at = start + search.read(start, end - start if search.is_whole else 0).find(AMR_MAGIC, 1)
    if at > start:
        mend = f"head -c {at} IN > ONE.amr; tail -c +{at + 1} IN > TWO.amr"
        raise more_than_read(search.where, f"got another AMR file at byte {at}, expected one", mend)
    return [Part(form="AMR", start=start, stop=end, next=end, demuxer="amr")]


def find_asf(search: Search) -> list[Part]:
    """Find the end of an ASF (WMA) file as its header states it; live recordings state none."""
    head = search.read(search.start, int.from_bytes(search.read(search.start + 16, 4), "little"))
    at = head.find(ASF_FILE_PROPERTIES)
    stop = search.end
    if at >= 0 and len(head) < at + 92:
        stop = search.size + 1
    elif at >= 0 and not head[at + 88] & ASF_IS_BROADCAST:
        stop = search.start + int.from_bytes(head[at + 40 : at + 48], "little")
    return [Part(form="ASF", start=search.start, stop=stop, next=stop, demuxer="asf")]


def is_adts(head: bytes) -> bool:
    """Tell whether these bytes begin a frame of bare AAC."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
