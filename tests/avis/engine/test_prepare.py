"""Preparing: the same bytes anyhow, nothing dropped silently."""

import csv
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from avis import store
from avis.audio.codec import read_all
from avis.audio.recording import Hearing
from avis.corpora import folder as corpora
from avis.engine import prepare as engine
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.shards.shard_maker import ShardMaker
from avis.engine.shards.sharding import place
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts
from avis.schema import REJECT_REASONS, REJECTS, UTTERANCES

Folder = Callable[..., Path]
Read = Callable[[str], dict[str, bytes]]
SAMPLE_RATE = 16000


def noise(seconds: float, *, seed: int = 0, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * sample_rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, *, sample_rate: int = SAMPLE_RATE, **kwargs: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples, sample_rate, **kwargs)


def on(recipe: Recipe, output_dir: Path, *, where: str = "debug") -> Recipe:
    return recipe.changed({"output_dir": str(output_dir), "compute.where": where})


def test_the_same_bytes_in_process_and_on_ray(
    ray_session: None, tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, bytes_below: Read
):
    on_ray = prepare(on(tiny_recipe, tmp_path, where="local"))
    assert bytes_below(on_ray) == bytes_below(tiny_store)
    assert os.path.basename(on_ray) == os.path.basename(tiny_store)


def test_the_store_is_whole_checked_and_shuffled(tiny_recipe: Recipe, tiny_store: str):
    table = store.read_table(tiny_store, "utterances")
    assert table.schema.equals(UTTERANCES)
    assert store.read_table(tiny_store, "rejects").num_rows == 0
    assert Counter(table["split"].to_pylist()) == {"train": 16, "validation": 8, "test": 16}
    splits: dict[str, set[str]] = {}
    for row in table.to_pylist():
        splits.setdefault(row["split"], set()).add(row["speaker"])
        assert row["num_samples"] == len(read_all(row["audio"])) == 24000
        assert row["sample_rate"] == SAMPLE_RATE
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [4, 2, 4]
    assert len(set.union(*splits.values())) == 10
    for split in splits:
        ids = store.read_table(tiny_store, "utterances", columns=["utt_id"], prefix=f"{split}-")["utt_id"].to_pylist()
        assert ids != sorted(ids)
        assert len(set(ids)) == len(ids)


def test_one_file_of_a_few_may_be_rejected(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of 8 files 5 % are none; how many may be is rounded up, and the message says what lets more pass."""
    exported: list[float] = []
    monkeypatch.setattr(engine, "set_gauges", lambda values, stage: exported.extend(values.values()))
    for number in range(8):
        write(tmp_path / "audio" / f"s{number // 4}" / f"{number}.wav", noise(1.0, seed=number))
    (tmp_path / "audio" / "s0" / "0.wav").write_bytes(b"")
    overrides = [f"corpus.root={tmp_path}/audio", "corpus.split=test", f"output_dir={tmp_path}"]
    cfg = recipe(*overrides, corpus="folder", name="prepare")
    assert store.open_manifest(prepare(cfg))["rows"]["rejects"] == 1
    (tmp_path / "audio" / "s0" / "1.wav").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"too many rejects: got 2 of 8 .* without them by sharding\.max_reject_share=0\.25"
    ):
        prepare(cfg)
    uri = prepare(recipe(*overrides, "sharding.max_reject_share=0.25", corpus="folder", name="prepare"))
    assert store.open_manifest(uri)["rows"]["rejects"] == 2
    assert exported == [1 / 8, 2 / 8, 2 / 8]


def test_a_second_run_touches_nothing_and_needs_no_ray(
    tiny_recipe: Recipe, tiny_store: str, monkeypatch: pytest.MonkeyPatch
):
    before = {path: path.stat().st_mtime_ns for path in Path(tiny_store).rglob("*")}
    monkeypatch.setattr(engine, "run_parts", None)
    monkeypatch.setattr("avis.engine.workers.compute.Compute.connect", None)
    cfg = tiny_recipe.changed({"compute.where": "local"})
    assert prepare(cfg) == tiny_store
    assert {path: path.stat().st_mtime_ns for path in Path(tiny_store).rglob("*")} == before


def spoil(root: Path) -> dict[str, str]:
    """Write one file per reason for rejection; return its name and the reason."""
    good = noise(1.0)
    bad = root / "bad" / "a"
    write(bad / "twice.wav", good)
    write(bad / "twice.flac", good)
    write(bad / "non_finite.wav", np.where(np.arange(16000) == 7, np.nan, good).astype(np.float32), subtype="FLOAT")
    write(bad / "over_scale.wav", good * 32768, subtype="FLOAT")
    write(bad / "more_than_read.wav", good)
    with (bad / "more_than_read.wav").open("ab") as file:
        file.write(b"\xff" * 5000)
    write(bad / "silent.wav", np.zeros(16000, np.float32))
    write(bad / "too_short.wav", noise(0.3))
    write(bad / "truncated.flac", good)
    whole = (bad / "truncated.flac").read_bytes()
    (bad / "truncated.flac").write_bytes(whole[: len(whole) // 2])
    (bad / "empty.wav").write_bytes(b"")
    (bad / "unreadable.mp3").write_text("this is no audio\n" * 100)
    names = ("non_finite.wav", "silent.wav", "too_short.wav", "truncated.flac", "empty.wav", "unreadable.mp3")
    names += ("over_scale.wav", "more_than_read.wav")
    return {f"{name}": name.split(".")[0] for name in names} | {"twice.wav": "duplicate_id"}


@pytest.mark.parametrize(
    "where", ["debug", pytest.param("local", marks=[pytest.mark.slow, pytest.mark.xdist_group("ray_session")])]
)
def test_every_reject_is_named_with_its_reason(
    recipe: Callable[..., Recipe], tmp_path: Path, where: str, request: pytest.FixtureRequest, speakers_folder: Folder
):
    if where == "local":
        request.getfixturevalue("ray_session")
    root = speakers_folder(tmp_path / "audio", num_speakers=4)
    expected = spoil(root)
    composed = recipe(f"corpus.root={root}", f"output_dir={tmp_path}", name="prepare", corpus="folder")
    with pytest.raises(
        ValueError, match=r"too many rejects: got 9 of 18 files \(.*\), expected at most 5\.0%"
    ) as error:
        prepare(on(composed, tmp_path, where=where))
    for reason in set(REJECT_REASONS) - {"no_speech", "crashes_decoder"}:
        assert f"1 {reason}" in str(error.value)
    assert str(error.value).count(f"{root}/bad/a/") >= 5
    allowed = on(composed, tmp_path, where=where)
    uri = prepare(allowed.changed({"sharding.max_reject_share": 0.5}))
    rejects = store.read_table(uri, "rejects")
    assert rejects.schema.equals(REJECTS)
    assert {os.path.basename(row["path"]): row["reason"] for row in rejects.to_pylist()} == expected
    assert all(row["detail"] and row["utt_id"].startswith("folder/bad/a/") for row in rejects.to_pylist())
    assert set(expected.values()) == set(REJECT_REASONS) - {"no_speech", "crashes_decoder"}
    kept = store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].to_pylist()
    assert len(kept) == 9
    assert "folder/bad/a/twice" in kept


def test_what_is_no_speech_is_trimmed_or_rejected(
    recipe: Callable[..., Recipe], tmp_path: Path, speakers_folder: Folder
):
    root = speakers_folder(tmp_path / "audio", num_speakers=4, num_files=0)
    for speaker in range(4):
        for number in range(2):
            samples = noise(4.0, seed=speaker + 10 * number)
            samples[:SAMPLE_RATE] *= 0.01
            samples[2 * SAMPLE_RATE :] *= 0.01
            write(root / f"s{speaker}" / f"{number}.wav", samples)
    write(root / "s0" / "steady.wav", noise(2.0))
    (click := 0.01 * noise(2.0))[SAMPLE_RATE : SAMPLE_RATE + 4000] *= 100
    write(root / "s0" / "click.wav", click)
    overrides = [f"corpus.root={root}", f"output_dir={tmp_path}", "sharding.max_reject_share=0.5"]
    composed = recipe(*overrides, "sharding.vad=energy", "sharding.trim=ends", name="prepare", corpus="folder")
    uri = prepare(composed)
    reasons = {row["utt_id"]: row["reason"] for row in store.read_table(uri, "rejects").to_pylist()}
    assert reasons == {"folder/s0/steady": "no_speech", "folder/s0/click": "too_short"}
    for row in store.read_table(uri, "utterances").to_pylist():
        assert row["num_samples"] == pytest.approx(1.2 * SAMPLE_RATE, abs=0.02 * SAMPLE_RATE)
        assert row["speech_s"] == pytest.approx(1.0, abs=0.02)
    whole = composed.changed({"sharding.trim": "none"})
    assert (other := prepare(whole)) != uri
    assert set(store.read_table(other, "utterances")["num_samples"].to_pylist()) == {2 * SAMPLE_RATE, 4 * SAMPLE_RATE}
    with pytest.raises(ValueError, match="nothing to trim by: got vad=null with trim=ends"):
        composed.changed({"sharding.vad": None})


def test_other_formats_rates_and_channels_are_brought_to_one(
    recipe: Callable[..., Recipe], tmp_path: Path, speakers_folder: Folder
):
    root = speakers_folder(tmp_path / "audio", num_speakers=3)
    seconds = np.arange(2 * 48000) / 48000
    tone = np.sin(2 * np.pi * 440 * seconds).astype(np.float32) / 2
    stereo = np.stack([tone, tone / 2], axis=1)
    for name, samples, rate, subtype in [
        ("mp3.mp3", tone[::3], 16000, None),
        ("opus.opus", tone, 48000, "OPUS"),
        ("ogg.ogg", tone[::2], 24000, "VORBIS"),
        ("flac.flac", stereo, 48000, "PCM_24"),
        ("wav.wav", tone[::6], 8000, "PCM_16"),
        ("float.wav", stereo[::3], 16000, "FLOAT"),
    ]:
        write(
            root / "tones" / "a" / name,
            samples,
            sample_rate=rate,
            subtype=subtype,
            format="OGG" if name == "opus.opus" else None,
        )
    uri = prepare(recipe(f"corpus.root={root}", f"output_dir={tmp_path}", name="prepare", corpus="folder"))
    tones = [row for row in store.read_table(uri, "utterances").to_pylist() if row["speaker"] == "folder/tones"]
    assert len(tones) == 6
    for row in tones:
        samples = read_all(row["audio"])
        assert row["num_samples"] == len(samples) == pytest.approx(32000, abs=2500), row["utt_id"]
        middle = samples[8000:24000] * np.hanning(16000)
        assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=1), row["utt_id"]


def calls(root: Path) -> Path:
    """Write two long telephone calls and list their segments, three of them bad; return the list."""
    t = np.arange(60 * 8000) / 8000
    for number in range(2):
        sides = [np.sin(2 * np.pi * hz * t) + noise(60, seed=number, sample_rate=8000) for hz in (500, 1500)]
        write(root / f"call{number}.sph", np.stack(sides, axis=1) / 2, sample_rate=8000, format="NIST", subtype="ULAW")
    rows = [
        [f"call{number}.sph", f"s{number}{channel}", start, start + 3, channel, f"c{number}-{channel}-{start}"]
        for number in range(2)
        for channel in (1, 2)
        for start in (0, 20.5, 57)
    ]
    rows += [["call0.sph", "s01", 70, 73, 1, "late"], ["call0.sph", "s01", 5, 6, 3, "third"]]
    rows += [["gone.sph", "s01", 5, 6, 1, "gone"]]
    with (root / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "speaker", "start_s", "end_s", "channel", "utt_id"], *rows])
    return root / "list.csv"


@pytest.mark.slow
def test_segments_of_calls_in_process_and_on_ray(
    ray_session: None, recipe: Callable[..., Recipe], tmp_path: Path, bytes_below: Read
):
    manifest = calls(tmp_path)
    overrides = [f"corpus.path={manifest}", "sharding.max_reject_share=0.2"]
    composed = recipe(*overrides, f"output_dir={tmp_path}/one", name="prepare", corpus="manifest")
    uri = prepare(composed)
    assert bytes_below(prepare(on(composed, tmp_path / "two", where="local"))) == bytes_below(uri)
    utterances = store.read_table(uri, "utterances").to_pylist()
    assert len(utterances) == 12
    for row in utterances:
        samples = read_all(row["audio"])
        assert len(samples) == row["num_samples"] == 48000
        hz = np.argmax(np.abs(np.fft.rfft(samples * np.hanning(48000)))) / 3
        assert hz == pytest.approx({"1": 500, "2": 1500}[row["utt_id"].split("-")[1]], abs=1), row["utt_id"]
        # 8 kHz brought to 16 kHz: the band ends where it did
        assert row["bandwidth_hz"] == pytest.approx(4000, rel=0.05)
    rejects = {row["utt_id"]: row for row in store.read_table(uri, "rejects").to_pylist()}
    assert {key: row["reason"] for key, row in rejects.items()} == {
        "manifest/late": "truncated",
        "manifest/third": "unreadable",
        "manifest/gone": "unreadable",
    }
    assert "call0.sph from 70.000 s to 73.000 s, channel 1." in rejects["manifest/late"]["detail"]
    assert "call0.sph from 5.000 s to 6.000 s, channel 3." in rejects["manifest/third"]["detail"]


@pytest.mark.parametrize(("channel", "hz"), [("first", 500), ("best", 1500)])
def test_the_channel_is_chosen_where_the_corpus_names_none(
    recipe: Callable[..., Recipe], tmp_path: Path, channel: str, hz: int
):
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    on_off = t % 1 < 0.5
    noisy, clean = (
        np.sin(2 * np.pi * f * t) * on_off / 4 + n * noise(2, seed=1) for f, n in ((500, 0.3), (1500, 0.01))
    )
    for number in range(8):
        write(tmp_path / f"s{number // 2}" / f"{number}.wav", np.stack([noisy, clean], axis=1))
    overrides = [f"corpus.root={tmp_path}", f"sharding.channel={channel}", f"output_dir={tmp_path}/out"]
    uri = prepare(recipe(*overrides, name="prepare", corpus="folder"))
    samples = read_all(store.read_table(uri, "utterances")["audio"][0].as_py())
    assert np.argmax(np.abs(np.fft.rfft(samples))) / 2 == pytest.approx(hz, abs=2)


def test_no_audio_is_said(recipe: Callable[..., Recipe], tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match=f"no audio found: .*At {tmp_path}"):
        prepare(recipe(f"corpus.root={tmp_path}", f"output_dir={tmp_path}/out", name="prepare", corpus="folder"))


@pytest.mark.shared_data
def test_recordings_are_prepared_without_rejects(shared: Path, recipe: Callable[..., Recipe], tmp_path: Path):
    files = sorted(path for path in (shared / "speech").rglob("*") if path.suffix in (".mp3", ".wav", ".flac"))[::200]
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,speaker\n" + "".join(f"{path},{number}\n" for number, path in enumerate(files)))
    overrides = [f"corpus.path={manifest}", f"corpus.root={shared}", "corpus.split=test", f"output_dir={tmp_path}"]
    uri = prepare(recipe(*overrides, name="prepare", corpus="manifest"))
    found = dict.fromkeys(("utterances", "index", "sources"), len(files))
    assert store.open_manifest(uri)["rows"] == found | {"rejects": 0}
    for row in store.read_table(uri, "utterances").to_pylist():
        assert row["speech_s"] > 0.5, row["utt_id"]


@pytest.mark.slow
def test_a_file_that_kills_its_decoder_is_rejected(tmp_path: Path, ray_session: None, speakers_folder: Folder):
    class Fragile(ShardMaker):
        def _utterance(self, source: dict[str, Any]) -> dict[str, Any]:
            if source["path"].endswith("s1/a/1.wav"):
                os._exit(11)
            return super()._utterance(source)

    uri, root = str(tmp_path / "store"), speakers_folder(tmp_path / "audio", num_speakers=4)
    tasks = {"test-0": place(corpora.Folder(name="a", root=str(root), split="test").sources(), ())}
    hearing = Hearing(sample_rate=SAMPLE_RATE, channel="mix", vad=None, trim="none", min_duration_s=0.1)
    compute = Compute(where="local", num_workers=None, use_gpu=None, max_restarts=0)
    run_parts(uri, tasks, partial(Fragile, hearing, encoding="flac"), compute=compute, label="prepare")
    store.finish(uri, parts=tasks, inputs="abc", facts={})
    [reject] = store.read_table(uri, "rejects").to_pylist()
    assert (reject["utt_id"], reject["reason"]) == ("a/s1/a/1", "crashes_decoder")
    assert store.read_table(uri, "utterances")["utt_id"].to_pylist() == [
        name for name in tasks["test-0"]["utt_id"].to_pylist() if name != "a/s1/a/1"
    ]
