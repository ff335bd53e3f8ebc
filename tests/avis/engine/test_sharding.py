"""Planning shards: which speakers are held out, what must not meet, and the order of it all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis import store
from avis.engine.prepare import prepare

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
