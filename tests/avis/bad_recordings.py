"""Two hundred recordings that are none, or hardly any: what a folder of real life holds sooner or later."""

import io
import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from tests.avis.conftest import RATE, talk

NUM = 200
ERROR, UNHEARD, ANSWER = {"error"}, {"not_heard"}, {"match", "no_match", "unsure"}
"""What may come of one."""
HEARD = ANSWER | UNHEARD
ANY = HEARD | ERROR

FORMS = {
    "WAV": "PCM_16",
    "FLAC": "PCM_16",
    "MP3": "MPEG_LAYER_III",
    "OGG": "VORBIS",
    "AIFF": "PCM_16",
    "W64": "PCM_16",
    "CAF": "PCM_16",
    "AU": "PCM_16",
}
Rng = np.random.Generator


def bad_recordings(folder: Path, num: int = NUM) -> Iterator[tuple[str, Any, set[str]]]:
    """Yield some of them, the same each time: name, source as `Verifier.verify` takes it, and what may come of it."""
    every: list[tuple[str, Callable[[Rng, Path], Any], set[str]]] = [
        *((name, lambda rng, _, make=make: make(rng), may) for name, (make, may) in ARRAYS.items()),
        *((f"file of {name}", partial(in_a_file, make), may) for name, (make, may) in CONTENTS.items()),
        *((name, make, may) for name, (make, may) in PATHS.items()),
    ]
    for number in range(num):
        name, make, may = every[number % len(every)]
        place = folder / str(number)
        place.mkdir()
        yield f"{number}: {name}", make(np.random.default_rng(number), place), may


def in_a_file(make: Callable[[Rng], bytes], rng: Rng, place: Path) -> str:
    (place / "recording").write_bytes(make(rng))
    return str(place / "recording")


def talked(rng: Rng, rate: int = RATE) -> np.ndarray:
    return talk(int(rng.integers(1000)), duration_s=rng.uniform(1.5, 4), rate=rate)


def some(rng: Rng) -> int:
    """Return a number of samples, few as likely as many."""
    return int(10 ** rng.uniform(0, 5))


def noise(rng: Rng) -> np.ndarray:
    return 10 ** rng.uniform(-4, -1) * rng.normal(size=some(rng))


def encoded(samples: np.ndarray, form: str, rate: int = RATE, subtype: str = "") -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, format=form, subtype=subtype or FORMS[form])
    return file.getvalue()


def spoilt(rng: Rng, by: float) -> np.ndarray:
    samples = talked(rng)
    samples[rng.integers(len(samples), size=rng.integers(1, 9))] = by
    return samples


def six_channels(rng: Rng, rate: int) -> np.ndarray:
    samples = talked(rng, rate)
    return np.stack([samples * rng.uniform(0, 1) for _ in range(6)], axis=1).astype(np.float32)


def one_of(*choices: Any) -> Callable[[Rng], Any]:
    return lambda rng: choices[rng.integers(len(choices))]


ARRAYS: dict[str, tuple[Callable[[Rng], Any], set[str]]] = {
    "no samples": (one_of((np.zeros(0), RATE), (np.zeros((0, 6), np.int16), RATE), ([], 8000)), ERROR),
    "one sample": (lambda rng: (rng.uniform(-1, 1, size=(1, rng.integers(1, 7))), RATE), UNHEARD),
    "silence": (lambda rng: (np.zeros(some(rng), np.int16), int(rng.integers(1000, 96000))), UNHEARD),
    "DC": (lambda rng: (np.full(some(rng), rng.uniform(-1, 1)), RATE), UNHEARD),
    "a step of 16 bits": (lambda rng: (rng.integers(-1, 2, size=some(rng), dtype=np.int16), RATE), UNHEARD),
    "noise": (lambda rng: (noise(rng), RATE), UNHEARD),
    "NaN": (lambda rng: (spoilt(rng, np.nan), RATE), ERROR),
    "infinity": (lambda rng: (spoilt(rng, rng.choice([-np.inf, np.inf])), RATE), ERROR),
    "far above full scale": (lambda rng: (np.float64(10) ** rng.uniform(2, 300) * talked(rng), RATE), ERROR),
    "far below full scale": (lambda rng: (np.float64(10) ** -rng.uniform(5, 300) * talked(rng), RATE), UNHEARD),
    "8 kHz": (lambda rng: (talked(rng, 8000), 8000), HEARD),
    "44.1 kHz, six channels": (lambda rng: (six_channels(rng, 44100), 44100), HEARD),
    "channels that cancel": (lambda rng: (np.outer(talked(rng), [1, -1]), RATE), UNHEARD),
    "clipped": (lambda rng: (np.clip(10 ** rng.uniform(1, 4) * talked(rng), -1, 1), RATE), HEARD),
    "16 bits in 32": (lambda rng: ((32767 * talked(rng)).astype(np.int32), RATE), ERROR),
    "8 bits": (lambda rng: ((127 * talked(rng) + 128).astype(np.uint8), RATE), HEARD),
    "turned": (lambda rng: (six_channels(rng, RATE).T, RATE), ERROR),
    "no numbers": (
        one_of(
            *((values, RATE) for values in (["a"] * 9000, [None] * 9000, [True] * 9000, [1j] * 9000, [[1], [1, 2]]))
        ),
        ERROR,
    ),
    "no rate": (
        lambda rng: (talked(rng), one_of(0, -RATE, 5, 1e12, np.nan, np.inf, None, "16000", 1j, True, [1, 2])(rng)),
        ERROR,
    ),
    "no pair": (one_of(talk(1), (talk(1),), (RATE, talk(1)), None, 5, {}, io.StringIO("a.wav"), object()), ERROR),
}


def cut(form: str) -> Callable[[Rng], bytes]:
    def made(rng: Rng) -> bytes:
        data = encoded(talked(rng), form)
        return data[: rng.integers(1, len(data))]

    return made


def damaged(rng: Rng) -> bytes:
    data = bytearray(encoded(talked(rng), one_of(*FORMS)(rng)))
    for place in rng.integers(rng.choice([64, len(data)]), size=rng.integers(1, 20)):
        data[place] = rng.integers(256)
    return bytes(data)


def wav_with(at: int, kind: str, *values: int) -> Callable[[Rng], bytes]:
    """Return what puts one of the values into the header of a WAV."""

    def made(rng: Rng) -> bytes:
        data = bytearray(encoded(talked(rng), "WAV"))
        struct.pack_into(kind, data, at, one_of(*values)(rng))
        return bytes(data)

    return made


def flac_that_claims_hours(rng: Rng) -> bytes:
    data = bytearray(encoded(talked(rng), "FLAC"))
    struct.pack_into(">I", data, 22, int(rng.integers(3 * 3600 * RATE, 2**32)))
    return bytes(data)


CONTENTS: dict[str, tuple[Callable[[Rng], bytes], set[str]]] = {
    "nothing": (lambda rng: b"", ERROR),
    "text": (
        one_of(b"good morning\n", b"#EXTM3U\nhttp://127.0.0.1:1/a.mp3\n", b"<html></html>", b"RIFF", b"fLaC"),
        ERROR,
    ),
    "random bytes": (lambda rng: rng.bytes(some(rng)), ERROR),
    "zeros": (lambda rng: bytes(some(rng)), ERROR),
    "an image": (
        lambda rng: (
            one_of(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"\xff\xd8\xff\xe0\x00\x10JFIF")(rng) + rng.bytes(999)
        ),
        ERROR,
    ),
    "tags alone": (lambda rng: b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130), ERROR),
    "a cut WAV": (cut("WAV"), ERROR),
    "a cut FLAC": (cut("FLAC"), ERROR),
    "a cut MP3": (cut("MP3"), ANY),
    "a cut Ogg": (cut("OGG"), ANY),
    "damage": (damaged, ANY),
    "a WAV that claims hours": (wav_with(40, "<I", 3 * 3600 * 2 * RATE, 2**31 - 2**20), ERROR),
    "a FLAC that claims hours": (flac_that_claims_hours, ERROR),
    "an absurd rate": (wav_with(24, "<I", 0, 1, 999, 2**31, 2**32 - 1), ERROR),
    "absurd channels": (wav_with(22, "<H", 0, 2**16 - 1), ERROR),
    "no frames": (lambda rng: encoded(np.zeros(0), one_of("WAV", "FLAC", "AIFF")(rng)), ERROR),
    "one sample": (lambda rng: encoded(np.full(1, 0.3), one_of("WAV", "FLAC", "CAF", "AU")(rng)), UNHEARD),
    "NaN": (lambda rng: encoded(spoilt(rng, np.nan), "WAV", subtype="FLOAT"), ERROR),
    "silence": (lambda rng: encoded(np.zeros(9000 + some(rng)), one_of(*FORMS)(rng)), UNHEARD),
    "noise": (lambda rng: encoded(noise(rng), one_of("WAV", "FLAC", "W64")(rng)), UNHEARD),
    "44.1 kHz, six channels": (lambda rng: encoded(six_channels(rng, 44100), "FLAC", 44100), HEARD),
    "two of two rates": (lambda rng: encoded(talked(rng), "WAV") + encoded(talked(rng, 8000), "WAV", 8000), ERROR),
}


def named(*names: str) -> Callable[[Rng, Path], str]:
    """Return what writes a good recording under one of the names."""

    def made(rng: Rng, place: Path) -> str:
        path = os.path.join(place, one_of(*names)(rng))
        Path(path).write_bytes(encoded(talked(rng), "WAV"))
        return path

    return made


def odd_file(rng: Rng, place: Path) -> str:
    path = place / "odd.wav"
    kind = rng.integers(4)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == 2 else place / "nowhere.wav")
    return str(path)


PATHS: dict[str, tuple[Callable[[Rng, Path], str], set[str]]] = {
    "nowhere": (lambda rng, place: str(place / one_of("a.wav", "b/a.wav", "a" * 5000, "*.wav", "a\n.wav")(rng)), ERROR),
    "nowhere at all": (
        lambda rng, _: one_of("", "\0", "a\0b.wav", "foo://a.wav", "file:///nowhere/a.wav", "file:///a\0")(rng),
        ERROR,
    ),
    "no file": (odd_file, ERROR),
    "a device": (lambda rng, _: one_of("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/")(rng), ERROR),
    "other alphabets": (named("häß 日本語 🎤.wav", "e\u0301\u202e.wav", os.fsdecode(b"\xff\xfe.wav"), " .wav"), HEARD),
    "separators": (named("a|b;c,d.wav", "a\tb.wav", "a\nb.wav", "a:b@c.wav", "a\\b.wav", "%41$HOME~.wav"), HEARD),
    "patterns and options": (named("a[1]*?.wav", "{a,b}.wav", "--json", "-", "-h.wav", "--model=x"), HEARD),
}
