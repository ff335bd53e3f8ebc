"""Outputs that were moved or copied elsewhere: what was finished is found again, and nothing is made twice."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.config import moved_to
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.shards.shard_maker import ShardMaker
from avis.engine.trials.embedder import Embedder
from avis.engine.trials.scoring import PairScorer
from avis.inspection.findings import inspect_store
from avis.inspection.suspects import Rules


def copied(before: Path, after: Path) -> None:
    """Copy contents alone, as object stores keep them: every file is of now."""
    shutil.copytree(before, after, copy_function=shutil.copyfile)
    shutil.rmtree(before)


def linked(before: Path, after: Path) -> None:
    """Move the folder and leave a link to it elsewhere."""
    shutil.move(before, before.with_name("disk"))
    after.symlink_to(before.with_name("disk"))


@pytest.mark.parametrize(
    "move", [copied, pytest.param(shutil.move, marks=pytest.mark.slow), pytest.param(linked, marks=pytest.mark.slow)]
)
def test_what_is_finished_is_found_again(
    recipe: Callable[..., Recipe],
    tiny_recipe: Recipe,
    tiny_run: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    move: Callable[[Path, Path], Any],
    rules: Rules,
):
    """The synthetic corpus lies in the outputs as well."""
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(tiny_recipe.corpora["synthetic"].plain["root"], before / "synthetic")
    cfg = recipe(f"output_dir={before}", f"corpus.sources.synthetic.root={before}/synthetic", "scoring=cosine_plain")
    shutil.copytree(f"{tiny_run}/checkpoints", before / "runs" / "a" / "checkpoints")
    checkpoint = best_checkpoint(f"{before}/runs/a")
    utterances = prepare(cfg)
    [scores] = score(cfg, Checkpoint.open(checkpoint), utterances, f"{before}/runs/a").values()
    move(before, after)

    for maker in (ShardMaker, Embedder, PairScorer):
        monkeypatch.setattr(maker, "__call__", None)
    there = Recipe.of(moved_to(str(after), cfg.plain))
    moved = prepare(there)
    assert moved == utterances.replace(str(before), str(after))
    assert prepare(there.changed({"extends": moved})) == moved
    found = score(there, Checkpoint.open(best_checkpoint(f"{after}/runs/a")), moved, f"{after}/runs/a")
    assert list(found.values()) == [scores.replace(str(before), str(after))]
    assert inspect_store(moved, str(tmp_path / "inspected"), rules=rules, trials={}).groups
    assert not before.exists()


def test_a_corpus_that_has_moved_is_not_decoded_again(
    recipe: Callable[..., Recipe],
    speakers_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Its files are as they were; one that is written anew is not, nor are two that take each other's place."""
    root = speakers_folder(tmp_path / "audio", num_speakers=6)
    for path in root.rglob("*.wav"):
        os.utime(path, ns=(0, 0))  # all of one time and one size, as archives may have them
    cfg = recipe(f"corpus.root={root}", f"output_dir={tmp_path}/out", name="prepare", corpus="folder")
    base = prepare(cfg)
    moved = cfg.changed({"corpus.sources.folder.root": str(tmp_path / "elsewhere" / "deeper")})
    (tmp_path / "elsewhere").mkdir()
    shutil.move(root, tmp_path / "elsewhere" / "deeper")
    assert prepare(moved) == base
    capsys.readouterr()
    new = tmp_path / "elsewhere" / "deeper" / "s9" / "a" / "0.wav"
    new.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "elsewhere" / "deeper" / "s0" / "a" / "0.wav", new)
    grown = prepare(moved.changed({"extends": base}))
    assert "1 files new, 0 changed, 0 removed" in capsys.readouterr().out
    one, other = (new.parents[2] / speaker / "a" / "1.wav" for speaker in ("s1", "s2"))
    os.rename(one, new.with_name("spare.wav"))
    os.rename(other, one)
    os.utime(one, ns=(1, 1))
    os.rename(new.with_name("spare.wav"), other)
    assert prepare(moved.changed({"extends": grown})) != grown
    assert "0 files new, 1 changed, 0 removed" in capsys.readouterr().out


def test_two_files_of_a_list_that_take_each_others_place_are_noticed(
    recipe: Callable[..., Recipe], speakers_folder: Callable[..., Path], tmp_path: Path
):
    """Whatever their sizes and times: ids and places both count."""
    root = speakers_folder(tmp_path / "audio", num_speakers=6)
    files = sorted(root.rglob("*.wav"))
    for path in files:
        os.utime(path, ns=(0, 0))
    made = []
    for order in (files, [files[1], files[0], *files[2:]]):
        rows = [
            f"{path},{name.parts[-3]},u{number}" for number, (path, name) in enumerate(zip(order, files, strict=True))
        ]
        (tmp_path / "list.csv").write_text("\n".join(["path,speaker,utt_id", *rows]))
        cfg = recipe(
            f"corpus.path={tmp_path}/list.csv", f"output_dir={tmp_path}/out", name="prepare", corpus="manifest"
        )
        made.append(prepare(cfg))
    assert made[0] != made[1]
    sha256 = [{row["utt_id"]: row["sha256"] for row in store.read_table(uri, "utterances").to_pylist()} for uri in made]
    assert sha256[0]["manifest/u0"] == sha256[1]["manifest/u1"]
