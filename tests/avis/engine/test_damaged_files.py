"""Files damaged in seeded ways: each becomes an utterance or a reject, and leaves the others alone."""

import csv
import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile as sf

from avis import store
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.schema import REJECT_REASONS

ROOT = Path(__file__).parents[3]
RATE = 16000
NUM_SPEAKERS = 4
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".sph", ".aac", ".amr", ".wma")


def voice(seconds: float = 0.8, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)


def encoded(samples: np.ndarray, form: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    stream = io.BytesIO()
    sf.write(stream, samples, rate, format=form, subtype=subtype)
    return stream.getvalue()


def m4a(samples: np.ndarray) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="ipod") as opened:
        track = opened.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler("fltp", "mono", RATE, frame_size=track.codec_context.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            opened.mux(track.encode(piece))
        opened.mux(track.encode(None))
    return stream.getvalue()


def seeds() -> list[bytes]:
    stereo = np.stack([voice(), voice(seed=1)], axis=1)
    return [
        encoded(voice(), "WAV"),
        encoded(stereo, "WAV", "FLOAT", 44100),
        encoded(voice(), "FLAC"),
        encoded(stereo, "FLAC", "PCM_24", 48000),
        encoded(voice(), "OGG", "VORBIS"),
        encoded(voice(), "OGG", "OPUS"),
        encoded(voice(), "MP3"),
        encoded(voice(), "NIST"),
        m4a(voice()),
    ]


def pick(rng: np.random.Generator, values: list[Any]) -> Any:
    return values[rng.integers(len(values))]


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(1, len(data))]


def flip(data: bytes, rng: np.random.Generator, *, reach: int | None = None) -> bytes:
    values = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, min(reach or len(data), len(data)), rng.integers(1, 50))
    values[places] ^= 1 << rng.integers(0, 8, len(places)).astype(np.uint8)
    return values.tobytes()


def flip_head(data: bytes, rng: np.random.Generator) -> bytes:
    return flip(data, rng, reach=64)


def random_tail(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, 64)] + rng.bytes(rng.integers(0, 5000))


def hole(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted(rng.integers(0, len(data), 2))
    return data[:start] + pick(rng, [b"", bytes(end - start), data[start:end] * 2]) + data[end:]


def large_number(data: bytes, rng: np.random.Generator) -> bytes:
    place, width = rng.integers(0, 200), pick(rng, [2, 4, 8])
    return data[:place] + pick(rng, [b"\xff", b"\x7f", b"\0"]) * width + data[place + width :]


def text(_: bytes, rng: np.random.Generator) -> bytes:
    return pick(rng, [b"", b"no audio\n" * 100, b"RIFF", b"fLaC", b"OggS", b"ID3", b"#EXTM3U\n/etc/passwd\n"])


def absurd_wav(_: bytes, rng: np.random.Generator) -> bytes:
    rate, channels, bits, size = (
        pick(rng, values)
        for values in (
            [0, 1, 999, 1000, 16000, 2**31 - 1, 2**32 - 1],
            [0, 1, 2, 1024, 65535],
            [0, 1, 8, 16, 24, 32, 64, 65535],
            [0, 1, 3200, 2**31 - 1, 2**32 - 1],
        )
    )
    form = struct.pack("<HHIIHH", pick(rng, [1, 3, 6, 0xFFFE]), channels, rate, 2**32 - 1, 2, bits)
    body = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + rng.bytes(32000)
    return b"RIFF" + struct.pack("<I", pick(rng, [0, len(body) + 4, 2**32 - 1])) + b"WAVE" + body


def float_wav(_: bytes, rng: np.random.Generator) -> bytes:
    samples = voice()
    samples[rng.integers(0, len(samples), 5)] = pick(rng, [np.nan, np.inf, 1e38, 1e-45])
    return encoded(samples, "WAV", "FLOAT")


DAMAGES = [cut, flip, flip_head, random_tail, hole, large_number, text, absurd_wav, float_wav]


def lay_down(root: Path, num: int, *, seed: int) -> Path:
    """Write healthy files and damaged ones beside them; return the list of all."""
    rng, whole, rows = np.random.default_rng(seed), seeds(), []
    root.mkdir(parents=True)
    for number in range(NUM_SPEAKERS * 3):
        (root / f"healthy{number}.wav").write_bytes(encoded(voice(seed=number), "WAV"))
        rows.append([f"healthy{number}.wav", f"s{number % NUM_SPEAKERS}"])
    for number in range(num):
        data = whole[number % len(whole)]
        for _ in range(rng.integers(1, 3)):
            data = DAMAGES[number // len(whole) % len(DAMAGES)](data or b"\0\0", rng)
        name = f"damaged{number}{pick(rng, [*SUFFIXES])}"
        (root / name).write_bytes(data)
        rows.append([name, f"s{number % NUM_SPEAKERS}"])
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "speaker"], *rows])
    return root / "list.csv"


def check(uri: str, root: Path, num: int) -> None:
    rejects = store.read_table(uri, "rejects").to_pylist()
    kept = store.read_table(uri, "utterances").to_pylist()
    assert len(kept) + len(rejects) == num + NUM_SPEAKERS * 3
    assert {row["utt_id"] for row in kept}.isdisjoint(row["utt_id"] for row in rejects)
    assert {row["reason"] for row in rejects} <= set(REJECT_REASONS)
    assert all(row["detail"] and row["path"].startswith(str(root)) for row in rejects)
    assert len(rejects) > num / 4, "damage that nobody sees is no test"
    healthy = {row["utt_id"]: row for row in kept if "/healthy" in row["utt_id"]}
    assert len(healthy) == NUM_SPEAKERS * 3
    for number in range(NUM_SPEAKERS * 3):
        expected = np.rint(voice(seed=number).astype(np.float64) * 32767) / 32768
        samples, _ = sf.read(io.BytesIO(healthy[f"manifest/healthy{number}"]["audio"]))
        np.testing.assert_allclose(samples, expected, atol=1.1 / 32768)
    for row in kept:
        assert row["num_samples"] >= RATE // 2, row["utt_id"]
        assert all(value is None or np.isfinite(value) for value in row.values() if isinstance(value, float | None))


def test_damaged_files_become_utterances_or_rejects(recipe: Callable[..., Recipe], tmp_path: Path):
    listed = lay_down(tmp_path / "audio", 81, seed=0)
    overrides = [f"corpus.path={listed}", f"output_dir={tmp_path}", "sharding.max_reject_share=1.0"]
    check(prepare(recipe(*overrides, name="prepare", corpus="manifest")), tmp_path / "audio", 81)


@pytest.mark.slow
def test_two_thousand_damaged_files_neither_crash_nor_hang(tmp_path: Path):
    """In a process of its own: a decoder that crashes takes its process along."""
    listed = lay_down(tmp_path / "audio", 2000, seed=1)
    overrides = ["corpus=manifest", f"corpus.path={listed}", f"output_dir={tmp_path}", "compute=debug"]
    allowed = ["sharding.max_reject_share=1.0", "sharding.num_validation_speakers=2"]
    command = [sys.executable, str(ROOT / "pipelines" / "prepare.py"), *overrides, *allowed]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=300)
    [uri] = (tmp_path / "stores").iterdir()
    check(str(uri), tmp_path / "audio", 2000)


@pytest.mark.parametrize("name", ["ü ñ 语.wav", " .wav", "a b  c.wav", "%2F?#&.wav", "n" * 250 + ".wav", "'\"\n.wav"])
def test_odd_names_are_names(recipe: Callable[..., Recipe], tmp_path: Path, name: str):
    for speaker in range(NUM_SPEAKERS):
        for file in ("0.wav", name):
            (tmp_path / "audio" / f"s {speaker}").mkdir(parents=True, exist_ok=True)
            (tmp_path / "audio" / f"s {speaker}" / file).write_bytes(encoded(voice(), "WAV"))
    overrides = [f"corpus.root={tmp_path}/audio", f"output_dir={tmp_path}"]
    uri = prepare(recipe(*overrides, name="prepare", corpus="folder"))
    ids = store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].to_pylist()
    listed = " ".join(name[:-4].split())  # blanks that nobody sees do not tell names apart
    expected = [f"folder/s {n}/{each}" for n in range(NUM_SPEAKERS) for each in ("0", listed)]
    assert sorted(ids) == sorted(expected)


def test_links_that_lead_nowhere_or_in_circles(recipe: Callable[..., Recipe], tmp_path: Path):
    for speaker in range(NUM_SPEAKERS):
        folder = tmp_path / "audio" / f"s{speaker}"
        folder.mkdir(parents=True)
        for number in range(2):
            (folder / f"{number}.wav").write_bytes(encoded(voice(), "WAV"))
        (folder / "around").symlink_to(tmp_path / "audio")
        (folder / "itself.wav").symlink_to("itself.wav")
        (folder / "gone.wav").symlink_to("nothing.wav")
        (folder / "folder.wav").mkdir()
        os.mkfifo(folder / "pipe.wav")
    overrides = [f"corpus.root={tmp_path}/audio", f"output_dir={tmp_path}", "sharding.max_reject_share=0.8"]
    uri = prepare(recipe(*overrides, name="prepare", corpus="folder"))
    rejects = store.read_table(uri, "rejects").to_pylist()
    assert sorted(row["utt_id"] for row in rejects) == sorted(
        f"folder/s{speaker}/{name}" for speaker in range(NUM_SPEAKERS) for name in ("gone", "itself", "pipe")
    )
    assert {row["reason"] for row in rejects} == {"unreadable"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_rejected(recipe: Callable[..., Recipe], tmp_path: Path):
    for speaker in range(NUM_SPEAKERS):
        (tmp_path / "audio" / f"s{speaker}").mkdir(parents=True)
        for number in range(3):
            path = tmp_path / "audio" / f"s{speaker}" / f"{number}.wav"
            path.write_bytes(encoded(voice(), "WAV"))
    path.chmod(0)
    overrides = [f"corpus.root={tmp_path}/audio", f"output_dir={tmp_path}", "sharding.max_reject_share=0.8"]
    uri = prepare(recipe(*overrides, name="prepare", corpus="folder"))
    [reject] = store.read_table(uri, "rejects").to_pylist()
    assert (reject["path"], reject["reason"]) == (str(path), "unreadable")
