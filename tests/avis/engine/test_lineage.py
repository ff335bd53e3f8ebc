"""Models that come from other models: nobody whom these know is held out or tested without a word."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from avis import store
from avis.audio.listing import AudioFile
from avis.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint, find_ancestors
from avis.corpora.files import source, sources_table
from avis.engine.examples.inputs import gather_inputs
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import check_trials, score
from avis.engine.shards.sharding import pass_over, plan_shards
from avis.engine.train import build_module
from avis.lineage import Lineage, TrainedOn, audio_codes


def speakers_of(utterances: str, split: str) -> set[str]:
    return set(
        store.read_table(utterances, "utterances", columns=["speaker"], prefix=f"{split}-")["speaker"].to_pylist()
    )


def saved(tmp_path: Path, name: str, recipe: Recipe, utterances: str) -> str:
    """Write the checkpoint of a training that has not begun."""
    module = build_module(gather_inputs(recipe, utterances, 1))
    checkpoint = {"state_dict": module.state_dict(), "epoch": 0, "global_step": 0}
    module.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / name)
    return str(tmp_path / name)


@pytest.mark.slow
def test_all_models_before_are_kept_and_found(tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path):
    first = Checkpoint.open(best_checkpoint(tiny_run))
    train_rows = store.read_table(tiny_store, "utterances", columns=["sha256"], prefix="train-")
    assert first.speakers == sorted(speakers_of(tiny_store, "train"))
    assert audio_codes(train_rows["sha256"]).tolist() == first.lineage.own.audio.tolist()
    second = saved(tmp_path, "second.ckpt", tiny_recipe.changed({"start_from": first.uri}), tiny_store)
    loss = {
        "_target_": "avis.checkpoints.teacher.distillation",
        "_partial_": True,
        "classification": tiny_recipe.loss.plain,
        "teacher_checkpoint": second,
        "distance": "cosine",
        "distance_weight": 1.0,
    }
    third = Checkpoint.open(saved(tmp_path, "third.ckpt", tiny_recipe.changed({"loss": loss}), tiny_store))
    assert [each.model for each in third.lineage.models] == ["", second, first.uri]
    assert third.lineage.models[2].digest == first.digest
    assert third.lineage.models[2].audio.tolist() == first.lineage.own.audio.tolist()
    from_both = tiny_recipe.changed({"loss": loss, "start_from": first.uri})
    assert [each.model for each in find_ancestors(from_both.plain).models] == [first.uri, second]


def test_a_run_that_goes_on_needs_not_the_files_it_came_from(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    (tmp_path / "checkpoints").mkdir()
    start = shifted(best_checkpoint(tiny_run), tmp_path / "start.ckpt")
    recipe = tiny_recipe.changed({"start_from": start})
    saved(tmp_path / "checkpoints", "last.ckpt", recipe, tiny_store)
    Path(start).unlink()
    assert [each.model for each in find_ancestors(recipe.plain, str(tmp_path)).models] == [start]
    inputs = gather_inputs(recipe, tiny_store, 1, str(tmp_path))
    assert (inputs.start, [each.model for each in inputs.lineage.models]) == (None, ["", start])
    with pytest.raises(ValueError, match="checkpoint missing"):
        find_ancestors(recipe.plain, str(tmp_path / "another"))


def shifted(checkpoint: str, path: Path, **fields: object) -> str:
    """Write a checkpoint again with other fields."""
    torch.save(read_checkpoint(checkpoint) | fields, path)
    return str(path)


def sources(num_speakers: int) -> pa.Table:
    """Return sources of speakers c/0, c/1, ... with two files each."""
    files = [
        AudioFile(path=f"/{n}.wav", relative=f"{n}.wav", size_bytes=1, modified_ns=1) for n in range(2 * num_speakers)
    ]
    rows = (
        source(file, corpus="c", split="train", speaker=f"{number // 2}", session="-")
        for number, file in enumerate(files)
    )
    return sources_table(rows)


def held_out(table: pa.Table, recipe: Recipe, passed_over: list[str]) -> set[str]:
    tasks = plan_shards(table, recipe.sharding, passed_over=passed_over)
    return {name for key, task in tasks.items() if key.startswith("validation") for name in task["speaker"].to_pylist()}


def test_others_are_held_out_than_those_a_model_before_has_seen(tiny_recipe: Recipe):
    recipe, table = tiny_recipe.changed({"sharding.num_validation_speakers": 3}), sources(10)
    usual = held_out(table, recipe, [])
    everybody = {f"c/{speaker}" for speaker in range(10)}
    assert len(usual) == 3
    assert pass_over(table, recipe.sharding, seen=everybody - usual) == []
    [known, *unseen] = sorted(usual)
    passed = pass_over(table, recipe.sharding, seen={known.upper(), "d/0"})
    assert passed == [known]
    chosen = held_out(table, recipe, passed)
    assert len(chosen) == 3
    assert set(unseen) < chosen
    with pytest.raises(ValueError, match=r"num_validation_speakers=3, expected at most 2, .* the other 8 .*Hold out 2"):
        pass_over(table, recipe.sharding, seen=everybody - set(unseen))
    with pytest.raises(ValueError, match=r"expected at most 1, .*Add two speakers or more"):
        pass_over(table, recipe.sharding, seen=everybody - {known})


def test_the_store_is_the_same_unless_a_speaker_it_holds_out_was_seen(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path
):
    assert prepare(tiny_recipe, seen=speakers_of(tiny_store, "train")) == tiny_store
    seen = min(speakers_of(tiny_store, "validation"))
    other = prepare(tiny_recipe.changed({"output_dir": str(tmp_path)}), seen={seen})
    assert Path(other).name != Path(tiny_store).name
    assert seen in speakers_of(other, "train")
    assert speakers_of(other, "validation") > speakers_of(tiny_store, "validation") - {seen}
    assert prepare(tiny_recipe.changed({"output_dir": str(tmp_path)}), seen={seen, "other/x"}) == other


def test_held_out_speakers_known_to_a_model_before_are_refused_by_name_and_by_audio(
    tiny_recipe: Recipe, tiny_store: str
):
    rows = store.read_table(tiny_store, "utterances", columns=["speaker", "sha256"], prefix="validation-")
    one = sorted(set(rows["speaker"].to_pylist()))[0]
    own = rows.filter(pc.equal(rows["speaker"], one))
    by_name = TrainedOn(model="first.ckpt", speakers=[one])
    by_audio = TrainedOn(model="first.ckpt", speakers=["elsewhere/x"], audio=audio_codes(own["sha256"])[:3])
    for before in (by_name, by_audio):
        with pytest.raises(ValueError, match=rf"got 1 of 2 held-out speakers.*At {one} \(by first\.ckpt, which"):
            check_trials(tiny_recipe, tiny_store, Lineage((before,)))
    a_copy_or_two = TrainedOn(model="first.ckpt", speakers=["elsewhere/x"], audio=audio_codes(own["sha256"])[:2])
    check_trials(tiny_recipe, tiny_store, Lineage((a_copy_or_two,)))


@pytest.mark.slow
def test_speakers_and_audio_of_a_model_before_are_not_tested(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    first = read_checkpoint(best_checkpoint(tiny_run))
    rows = store.read_table(tiny_store, "utterances", columns=["speaker", "sha256"], prefix="test-")
    tested = rows["speaker"][0].as_py()
    audio = torch.from_numpy(audio_codes(rows["sha256"]))
    before = {"model": "first.ckpt", "digest": "ab", "audio": None}
    for field, message in (
        ({"speakers": [tested]}, rf"speaker in both train and test: got 1 .*At {tested} \(by first\.ckpt, which"),
        (
            {"speakers": ["elsewhere/x"], "audio": audio},
            r"audio in both train and test: got 16 .*\(by first\.ckpt, which",
        ),
    ):
        lineage = first["lineage"] | {"before": [before | field]}
        path = shifted(best_checkpoint(tiny_run), tmp_path / "second.ckpt", lineage=lineage)
        with pytest.raises(ValueError, match=message):
            score(tiny_recipe, Checkpoint.open(path), tiny_store, str(tmp_path / "run"))


def test_what_nobody_knows_is_said_once_and_kept_with_the_scores(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lineage = read_checkpoint(best_checkpoint(tiny_run))["lineage"] | {"before": [{"model": "imported.ckpt"}]}
    path = shifted(best_checkpoint(tiny_run), tmp_path / "second.ckpt", lineage=lineage)
    tables = score(tiny_recipe, Checkpoint.open(path), tiny_store, str(tmp_path / "run"))
    [said] = [line for line in capsys.readouterr().out.splitlines() if "unknown, cannot be checked" in line]
    manifest = store.open_manifest(tables["synthetic"])
    assert manifest["warnings"].count(said.removeprefix("warning: ")) == 1
    assert manifest["origin"]["trained on"] == (
        "4 speakers of synthetic; before that imported.ckpt on unknown, cannot be checked"
    )
