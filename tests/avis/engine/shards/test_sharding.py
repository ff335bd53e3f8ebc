"""Planning shards: which speakers are held out, what must not meet, and the order of it all."""

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.audio.listing import AudioFile
from avis.corpora.files import in_order, source, sources_table
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.shards.sharding import Sharding, cut, place, plan_shards
from avis.names import name
from avis.schema import SOURCES
from avis.training.grouping import speaker_groups
from avis.training.plan import Plan, RowGroup
from avis.training.repetition import repetition, say_repetition


def test_another_seed_shuffles_and_holds_out_otherwise(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    other = prepare(tiny_recipe.changed({"output_dir": str(tmp_path), "sharding.seed": 1}))
    assert os.path.basename(other) != os.path.basename(tiny_store)
    one, two = (
        store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].to_pylist() for uri in (tiny_store, other)
    )
    assert one != two
    assert sorted(one) == sorted(two)


def test_two_corpora_with_the_same_names_are_joined_without_clashes(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    one = speakers_folder(tmp_path / "one", num_speakers=4)
    two = speakers_folder(tmp_path / "two", num_speakers=4)
    composed = recipe(f"corpus.root={one}", f"output_dir={tmp_path}", name="prepare", corpus="folder")
    source = dict(composed.corpora["folder"].plain)
    joined = {"one": source | {"name": "one"}, "two": source | {"name": "two", "root": str(two), "split": "test"}}
    both = composed.changed({"corpus.sources": joined})
    table = store.read_table(prepare(both), "utterances", columns=["utt_id", "speaker", "split", "corpus"])
    assert len(set(table["utt_id"].to_pylist())) == 16
    assert {row["speaker"] for row in table.to_pylist() if row["split"] == "test"} == {f"two/s{i}" for i in range(4)}
    same = composed.changed({"corpus.sources": {"one": source, "again": source}})
    with pytest.raises(ValueError, match=r"too many rejects: got 8 of 16 files \(8 duplicate_id\)"):
        prepare(same)


def test_a_speaker_on_both_sides_is_refused(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    root = speakers_folder(tmp_path / "audio", num_speakers=4)
    overrides = [f"corpus.train_root={root}", f"corpus.test_root={root}", f"output_dir={tmp_path}"]
    composed = recipe(*overrides, name="prepare", corpus="folder_train_test")
    with pytest.raises(ValueError, match=r"speaker in train and test: got 4 speakers in both.*folder/s0, folder/s1"):
        prepare(composed)


VARIANTS = {
    "composed and decomposed": ("Hi\u1ebfu", "Hie\u0302\u0301u"),
    "letter case": ("Anna", "anna"),
    "no-break space at the end": ("Anna", "Anna\u00a0"),
    "zero-width space": ("Anna", "An\u200bna"),
    "blanks": ("Anna Lee", "Anna  Lee"),
    "blank or none": ("Anna Lee", "AnnaLee"),
    "full width": ("Anna", "\uff21nna"),
}


def sources_of(*speakers: tuple[str, str]) -> pa.Table:
    """Return sources of speakers, each with a split, as corpora list them."""
    rows = []
    for number, (speaker, split) in enumerate(speakers):
        file = AudioFile(path=f"/{number}.wav", relative=f"{number}.wav", size_bytes=1, modified_ns=1)
        rows.append(source(file, corpus="c", split=split, speaker=speaker, session="-"))
    return sources_table(rows)


@pytest.mark.parametrize(("one", "other"), VARIANTS.values(), ids=VARIANTS)
def test_a_speaker_on_both_sides_is_refused_however_the_name_is_written(one: str, other: str):
    others = [(f"s{number}", split) for number in range(4) for split in ("train" if number < 3 else "test",)]
    for splits in (("train", "test"), ("test", "train")):
        both = sources_of(*zip((one, other), splits, strict=True), *others)
        with pytest.raises(ValueError, match=r"speaker in train and test: got 1 speakers in both"):
            place(both, ())


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("one", "other"), VARIANTS.values(), ids=VARIANTS)
def test_a_speaker_with_two_names_is_one_or_refused(one: str, other: str, split: str):
    rows = sources_of((one, split), (other, split), ("Lan", split))
    if name(one) == name(other):
        assert set(place(rows, ())["speaker"].to_pylist()) == {f"c/{name(one)}", "c/Lan"}
    else:
        with pytest.raises(
            ValueError, match=r"speakers hardly told apart: got 1 names .* At 'c/.*' and 'c/.*'\. Write"
        ):
            place(rows, ())


def test_files_whose_names_differ_in_form_alone_are_duplicates():
    rows = sources_of(("Lan", "test"), ("Lan", "test"))
    forms = pa.array(["c/Hi\u1ebfu/1", "c/Hie\u0302\u0301u/1"])
    placed = place(in_order([rows.set_column(0, SOURCES.field("utt_id"), forms)]), ())
    assert placed["utt_id"].to_pylist() == ["c/Hi\u1ebfu/1"] * 2
    assert placed["duplicate_of"].to_pylist() == [None, "/0.wav"]


def test_three_speakers_are_too_few(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    overrides = [f"corpus.root={speakers_folder(tmp_path / 'audio', num_speakers=3)}", f"output_dir={tmp_path}"]
    with pytest.raises(ValueError, match=r"too few training speakers: got 3.* at least 2 to learn from beside 2"):
        prepare(recipe(*overrides, name="prepare", corpus="folder"))


@pytest.mark.parametrize("held_out", [0, 1, 3])
def test_held_out_speakers_must_be_some_but_not_all(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path, held_out: int
):
    """One alone makes no non-target trial to choose checkpoints by, and one trained on is told from nobody."""
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


def cut_up(table: pa.Table, settings: Sharding, **changed: float) -> list[pa.Table]:
    """Return the shards of a plan, checked to hold every row once."""
    sharding = replace(settings, **changed)
    tasks = plan_shards(table, sharding)
    assert list(tasks) == [f"test-{number:05d}" for number in range(len(tasks))]
    planned = pa.concat_tables(tasks.values())["utt_id"].to_pylist()
    assert sorted(planned) == table["utt_id"].to_pylist() != planned
    again = plan_shards(table, sharding)
    assert all(again[name] == task for name, task in tasks.items())
    return list(tasks.values())


def test_short_recordings_are_counted_by_rows(tiny_recipe: Recipe):
    shards = cut_up(sources([30_000] * 1000), tiny_recipe.sharding, shard_rows=60)
    assert {len(shard) for shard in shards} == {58, 59}  # 17 shards
    assert [len(shard) for shard in cut_up(sources([30_000] * 80), tiny_recipe.sharding)] == [10] * 8


def test_long_recordings_are_counted_by_their_bytes(tiny_recipe: Recipe):
    """Ten hours of 16-bit audio are 1152 MB, one minute is 2 MB."""
    hour = 115_200_000
    shards = cut_up(sources([hour] * 900 + [hour // 60] * 100 + [10 * hour]), tiny_recipe.sharding, shard_mb=500)
    sizes = [sum(shard["size_bytes"].to_pylist()) for shard in shards]
    assert max(size for size, shard in zip(sizes, shards, strict=True) if len(shard) > 1) <= 500e6
    assert [len(shard) for shard, size in zip(shards, sizes, strict=True) if size > 500e6] == [1]
    assert sum(sizes) / len(sizes) > 250e6


def test_segments_are_counted_by_their_length(tiny_recipe: Recipe):
    """Three seconds each, of meetings of an hour; those without an end are taken for whole files."""
    ends = [3.0] * 1000
    meeting = [115_200_000] * 1000
    assert len(cut_up(sources(meeting, end_s=ends), tiny_recipe.sharding, shard_mb=20)) == 8
    assert len(cut_up(sources(meeting, end_s=ends), tiny_recipe.sharding, shard_mb=10)) == 16
    assert len(cut_up(sources([-1] * 1000), tiny_recipe.sharding, shard_mb=10)) == 8


def shards_of(num_speakers: int, *, together: int, recipe: Recipe) -> tuple[list[RowGroup], list[str], list[int]]:
    """Return the row groups of a store of 20 utterances per speaker, and the speaker and the number of each row."""
    sharding = replace(recipe.sharding, utterances_together=together)
    names = [f"s{i // 20}" for i in range(20 * num_speakers)]
    num = len(names)
    sizes = {"start_s": [0.0] * num, "end_s": pa.nulls(num, pa.float64()), "size_bytes": [0] * num}
    rows = pa.table({"speaker": names, "split": ["train"] * num, "row": range(num), **sizes})
    shards = cut(rows, sharding)
    groups = [
        RowGroup(name, start, min(sharding.row_group_rows, len(shard) - start))
        for name, shard in shards.items()
        for start in range(0, len(shard), sharding.row_group_rows)
    ]
    joined = pa.concat_tables(shards.values())
    return groups, joined["speaker"].to_pylist(), joined["row"].to_pylist()


def test_utterances_of_a_speaker_lie_together_and_none_is_lost(tiny_recipe: Recipe):
    _, speakers, rows = shards_of(50, together=4, recipe=tiny_recipe)
    assert sorted(rows) == list(range(1000))
    for start in range(0, 1000, 4):
        assert len(set(speakers[start : start + 4])) == 1
    first = speakers[::4]
    assert first != sorted(first)
    assert sum(one == other for one, other in itertools.pairwise(first)) < 20


def test_of_thousands_of_speakers_a_batch_compares_different_utterances(
    tiny_recipe: Recipe, capsys: pytest.CaptureFixture[str]
):
    sizes = {"seed": 0, "passes_per_epoch": 1, "global_batch": 64, "num_epochs": 1, "utterances_per_speaker": 2}
    groups, speakers, _ = shards_of(3000, together=1, recipe=tiny_recipe)
    apart = Plan(groups, groups_per_block=2, **sizes)
    say_repetition(apart, speakers)
    assert repetition(apart, speakers) > 0.9
    assert "with sharding.utterances_together=8, with trainer.groups_per_block=8 or more" in capsys.readouterr().out

    groups, speakers, _ = shards_of(3000, together=8, recipe=tiny_recipe)
    plan = Plan(groups, groups_per_block=8, **sizes)
    say_repetition(plan, speakers)
    assert capsys.readouterr().out.count("\n") == 1
    assert repetition(plan, speakers) < 0.05
    starts = dict(zip(groups, np.cumsum([0, *(group.num_rows for group in groups[:-1])]), strict=True))
    for number in range(5):
        block = plan.block(number)
        rows = np.concatenate([starts[g] + np.arange(g.num_rows) for g in block.row_groups])[block.order]
        names = [speakers[row] for row in rows]
        pairs = speaker_groups(names, 2)
        first_batch = {names[one] for one, _ in pairs[:32]}
        assert len(first_batch) == 32
