"""Planning shards: which speakers are held out, what must not meet, and the order of it all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from avis import store
from avis.engine.prepare import prepare
from avis.engine.sharding import Sharding, plan_shards
from avis.schema import SOURCES

Recipe = dict[str, Any]


def test_another_seed_shuffles_and_holds_out_otherwise(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    sharding = tiny_recipe["sharding"] | {"seed": 1}
    other = prepare(tiny_recipe | {"output_dir": str(tmp_path), "sharding": sharding})
    assert os.path.basename(other) != os.path.basename(tiny_store)
    one, two = (
        store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].to_pylist() for uri in (tiny_store, other)
    )
    assert one != two
    assert sorted(one) == sorted(two)


def test_two_corpora_with_the_same_names_are_joined_without_clashes(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    one = speakers_folder(tmp_path / "one", num_speakers=3)
    two = speakers_folder(tmp_path / "two", num_speakers=3)
    composed = recipe(f"corpus.root={one}", f"output_dir={tmp_path}", name="prepare", corpus="folder")
    source = composed["corpus"]["sources"]["folder"]
    composed["corpus"]["sources"] = {
        "one": source | {"name": "one"},
        "two": source | {"name": "two", "root": str(two), "split": "test"},
    }
    table = store.read_table(prepare(composed), "utterances", columns=["utt_id", "speaker", "split", "corpus"])
    assert len(set(table["utt_id"].to_pylist())) == 12
    assert {row["speaker"] for row in table.to_pylist() if row["split"] == "test"} == {f"two/s{i}" for i in range(3)}
    same = composed | {"corpus": {"sources": {"one": source, "again": source}}}
    with pytest.raises(ValueError, match=r"too many rejects: got 6 of 12 files \(6 duplicate_id\)"):
        prepare(same)


def test_a_speaker_on_both_sides_is_refused(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    root = speakers_folder(tmp_path / "audio", num_speakers=4)
    overrides = [f"corpus.train_root={root}", f"corpus.test_root={root}", f"output_dir={tmp_path}"]
    composed = recipe(*overrides, name="prepare", corpus="folder_train_test")
    with pytest.raises(ValueError, match=r"speaker in train and test: got 4 speakers in both.*folder/s0, folder/s1"):
        prepare(composed)


@pytest.mark.parametrize("held_out", [0, 1, 4])
def test_held_out_speakers_must_be_some_but_not_all(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path, held_out: int
):
    """One alone makes no non-target trial to choose checkpoints by."""
    root = speakers_folder(tmp_path / "audio", num_speakers=4)
    overrides = [f"sharding.num_validation_speakers={held_out}", f"corpus.root={root}", f"output_dir={tmp_path}"]
    with pytest.raises(ValueError, match=f"held-out speakers: got sharding.num_validation_speakers={held_out}"):
        prepare(recipe(*overrides, name="prepare", corpus="folder"))


def sources(size_bytes: list[int], **columns: list[Any]) -> pa.Table:
    """Return a table of test files of the given sizes."""
    rows = [
        {"utt_id": f"c/{i:05d}", "speaker": "c/s", "session": "c/s/-", "corpus": "c", "split": "test"}
        | {"path": f"/{i}.wav", "start_s": 0.0, "size_bytes": size, "modified_ns": 0, "attributes": []}
        | {name: values[i] for name, values in columns.items()}
        for i, size in enumerate(size_bytes)
    ]
    return pa.Table.from_pylist(rows, schema=SOURCES)


def cut_up(table: pa.Table, settings: dict[str, Any], **changed: float) -> list[pa.Table]:
    """Return the shards of a plan, checked to hold every row once."""
    sharding = Sharding(**{key: value for key, value in settings.items() if key != "_target_"} | changed)
    tasks = plan_shards(table, sharding)
    assert list(tasks) == [f"test-{number:05d}" for number in range(len(tasks))]
    planned = pa.concat_tables(tasks.values())["utt_id"].to_pylist()
    assert sorted(planned) == table["utt_id"].to_pylist() != planned
    again = plan_shards(table, sharding)
    assert all(again[name] == task for name, task in tasks.items())
    return list(tasks.values())


def test_short_recordings_are_counted_by_rows(tiny_recipe: Recipe):
    shards = cut_up(sources([30_000] * 1000), tiny_recipe["sharding"], shard_rows=60)
    assert {len(shard) for shard in shards} == {58, 59}  # 17 shards
    assert [len(shard) for shard in cut_up(sources([30_000] * 80), tiny_recipe["sharding"])] == [10] * 8


def test_long_recordings_are_counted_by_their_bytes(tiny_recipe: Recipe):
    """Ten hours of 16-bit audio are 1152 MB, one minute is 2 MB."""
    hour = 115_200_000
    shards = cut_up(sources([hour] * 900 + [hour // 60] * 100 + [10 * hour]), tiny_recipe["sharding"], shard_mb=500)
    sizes = [sum(shard["size_bytes"].to_pylist()) for shard in shards]
    assert max(size for size, shard in zip(sizes, shards, strict=True) if len(shard) > 1) <= 500e6
    assert [len(shard) for shard, size in zip(shards, sizes, strict=True) if size > 500e6] == [1]
    assert sum(sizes) / len(sizes) > 250e6


def test_segments_are_counted_by_their_length(tiny_recipe: Recipe):
    """Three seconds each, of meetings of an hour; those without an end are taken for whole files."""
    ends = [3.0] * 1000
    meeting = [115_200_000] * 1000
    assert len(cut_up(sources(meeting, end_s=ends), tiny_recipe["sharding"], shard_mb=20)) == 8
    assert len(cut_up(sources(meeting, end_s=ends), tiny_recipe["sharding"], shard_mb=10)) == 16
    assert len(cut_up(sources([-1] * 1000), tiny_recipe["sharding"], shard_mb=10)) == 8
