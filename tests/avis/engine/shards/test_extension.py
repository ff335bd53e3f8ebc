"""Extending a store: what was done is taken over, what is new is made, and the base stays as it is."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf

from avis import store
from avis.audio import recording
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.trials.embedder import Embedder
from avis.engine.trials.embeddings import StoreEmbedder
from avis.inspection.findings import inspect_store
from avis.inspection.suspects import Rules

Folder = Callable[..., Path]
SAMPLE_RATE = 16000


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the files that were decoded so far."""
    paths: list[str] = []
    decode = recording.decode

    def watched(path: str, **kwargs: Any) -> np.ndarray:
        paths.append("/".join(path.split("/")[-3:]))
        return decode(path, **kwargs)

    monkeypatch.setattr(recording, "decode", watched)
    return paths


@pytest.fixture
def cfg(recipe: Callable[..., Recipe], speakers_folder: Folder, tmp_path: Path) -> Recipe:
    """Return the recipe of 8 speakers of 4 files each; shards of up to 4."""
    root = speakers_folder(tmp_path / "audio", num_speakers=8, num_files=4)
    overrides = [f"corpus.root={root}", f"output_dir={tmp_path}/out", "sharding.shard_rows=4"]
    return recipe(*overrides, name="prepare", corpus="folder")


def speakers(uri: str, split: str) -> set[str]:
    return set(store.read_table(uri, "utterances", columns=["speaker"], prefix=f"{split}-")["speaker"].to_pylist())


def rows_by_id(uri: str) -> dict[str, dict[str, Any]]:
    return {row["utt_id"]: row for row in store.read_table(uri, "utterances").to_pylist()}


def name_of(speaker: str) -> str:
    return speaker.removeprefix("folder/")


def stamps(uri: str) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in Path(uri).rglob("*") if path.is_file()}


def own_parts(uri: str) -> set[str]:
    return {path.stem for path in Path(uri, "utterances").glob("*.parquet")}


def part_holding(uri: str, utt_id: str) -> set[str]:
    """Return the names of the files that a row's part consists of."""
    parts = store.part_uris(uri, "sources")
    [part] = [p for p in parts if utt_id in store.open_part(p).read(["utt_id"])["utt_id"].to_pylist()]
    return set(store.open_part(part).read(["utt_id"])["utt_id"].to_pylist())


def write(path: Path, *, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.random.default_rng(seed).uniform(-0.3, 0.3, 9600), SAMPLE_RATE)


def test_only_what_is_new_changed_or_beside_it_is_decoded(
    cfg: Recipe, tmp_path: Path, decoded: list[str], capsys: pytest.CaptureFixture[str]
):
    root, base = tmp_path / "audio", prepare(cfg)
    before = stamps(base)
    held_out, one, two, *_ = [*sorted(speakers(base, "validation"))[:1], *sorted(speakers(base, "train"))]
    write(root / name_of(held_out) / "a" / "new.wav", seed=1001)
    write(root / name_of(one) / "a" / "new.wav", seed=1002)
    write(root / "s_new" / "a" / "new.wav", seed=1003)
    write(root / name_of(one) / "a" / "0.wav", seed=1004)
    for number in (1, 2):
        (root / name_of(two) / "a" / f"{number}.wav").unlink()
    gone, changed = {f"{two}/a/1", f"{two}/a/2"}, f"{one}/a/0"
    beside = set.union(*(part_holding(base, utt_id) for utt_id in {changed, *gone}))
    new = {f"{held_out}/a/new", f"{one}/a/new", "folder/s_new/a/new"}
    decoded.clear()
    capsys.readouterr()

    grown = prepare(cfg.changed({"extends": base}))

    assert {f"folder/{path.removesuffix('.wav')}" for path in decoded} == (beside | new) - gone
    num_parts, num_made_again = len(store.part_uris(base, "utterances")), len(own_parts(grown) & own_parts(base))
    taken_over = f"took over {num_parts - num_made_again} shards of {base}; 3 files new, 1 changed, 2 removed"
    assert taken_over in capsys.readouterr().out.splitlines()
    assert stamps(base) == before
    assert speakers(grown, "validation") == speakers(base, "validation")
    assert speakers(grown, "train") == speakers(base, "train") | {"folder/s_new"}
    assert own_parts(grown) - own_parts(base) == {"train-00008", "validation-00008"}

    afresh = prepare(cfg.changed({"output_dir": str(tmp_path / "afresh")}))
    expected, found = rows_by_id(afresh), rows_by_id(grown)
    assert len(found) == 33
    assert {k: row | {"split": ""} for k, row in found.items()} == {k: r | {"split": ""} for k, r in expected.items()}
    assert found[changed]["sha256"] != rows_by_id(base)[changed]["sha256"]
    manifest = store.open_manifest(grown)
    assert manifest["rows"] == {"utterances": 33, "index": 33, "rejects": 0, "sources": 33}
    assert manifest["extends"] == os.path.basename(base)


def test_held_out_speakers_stay_so_though_the_base_wrote_their_names_otherwise(
    cfg: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "audio"
    for folder in sorted(root.iterdir()):
        folder.rename(root / f"Zoe\u0308 {folder.name}")
    with monkeypatch.context() as before_there_was_the_rule:
        before_there_was_the_rule.setattr("avis.corpora.files.names", lambda column, where: column)
        base = prepare(cfg)
    write(root / "Zoe\u0308 new" / "a" / "0.wav", seed=1)
    grown = prepare(cfg.changed({"extends": base}))
    assert speakers(grown, "validation") == {
        speaker.replace("e\u0308", "\u00eb") for speaker in speakers(base, "validation")
    }


def test_a_store_that_lacks_nothing_is_not_extended(cfg: Recipe, tmp_path: Path):
    base = prepare(cfg)
    assert prepare(cfg.changed({"extends": base})) == base
    assert os.listdir(tmp_path / "out" / "stores") == [os.path.basename(base)]


def test_the_same_bytes_again_and_after_a_move(cfg: Recipe, tmp_path: Path, bytes_below: Callable[[str], dict]):
    base = prepare(cfg)
    write(tmp_path / "audio" / "s0" / "a" / "new.wav", seed=1)
    grown = prepare(cfg.changed({"extends": base}))
    before, rows = bytes_below(grown), rows_by_id(grown)
    shutil.rmtree(grown)
    assert prepare(cfg.changed({"extends": f"{base}/"})) == grown
    assert bytes_below(grown) == before
    again = stamps(grown)
    assert prepare(cfg.changed({"extends": base})) == grown
    assert stamps(grown) == again
    moved = shutil.move(tmp_path / "out", tmp_path / "moved")
    assert rows_by_id(f"{moved}/stores/{os.path.basename(grown)}") == rows


def test_extended_twice_and_from_another_folder(cfg: Recipe, tmp_path: Path, decoded: list[str]):
    base = prepare(cfg)
    write(tmp_path / "audio" / "s0" / "a" / "new.wav", seed=1)
    once = prepare(cfg.changed({"extends": base}))
    write(tmp_path / "audio" / "s1" / "a" / "new.wav", seed=2)
    decoded.clear()
    twice = prepare(cfg.changed({"extends": once, "output_dir": str(tmp_path / "elsewhere")}))
    assert decoded == ["s1/a/new.wav"]
    holders = {os.path.dirname(os.path.dirname(uri)) for uri in store.part_uris(twice, "utterances")}
    assert holders == {base, once, twice}
    assert rows_by_id(twice) == {**rows_by_id(once), "folder/s1/a/new": rows_by_id(twice)["folder/s1/a/new"]}
    (tmp_path / "audio" / "s1" / "a" / "new.wav").unlink()
    back = prepare(cfg.changed({"extends": twice, "output_dir": str(tmp_path / "elsewhere")}))
    assert decoded == ["s1/a/new.wav"]
    assert rows_by_id(back) == rows_by_id(once)


@pytest.mark.slow
def test_a_shard_that_the_base_lost_is_named(cfg: Recipe, tmp_path: Path, rules: Rules):
    base = prepare(cfg)
    write(tmp_path / "audio" / "s0" / "a" / "new.wav", seed=1)
    grown = prepare(cfg.changed({"extends": base}))
    result = inspect_store(grown, str(tmp_path / "page"), rules=rules, trials={})
    assert result.total.utterances == 33
    shard = Path(base, "utterances", "train-00000.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=f"corrupt shard: .*At {shard}"):
        store.read_table(grown, "utterances")
    shutil.rmtree(base)
    with pytest.raises(ValueError, match=rf"corrupt shard: got no file, .*At {base}.* the store that {grown} extends"):
        store.open_manifest(grown)


def test_an_id_that_is_taken_by_another_file_and_freed_again(cfg: Recipe, tmp_path: Path):
    base = prepare(cfg)
    taken, taker = tmp_path / "audio" / "s0" / "a" / "0.wav", tmp_path / "audio" / "s0" / "a" / "0.flac"
    write(taker, seed=1)
    both = prepare(cfg.changed({"extends": base, "sharding.max_reject_share": 0.5}))
    [reject] = store.read_table(both, "rejects").to_pylist()
    assert (reject["path"], reject["reason"]) == (str(taken), "duplicate_id")
    assert rows_by_id(both)["folder/s0/a/0"]["sha256"] != rows_by_id(base)["folder/s0/a/0"]["sha256"]
    taker.unlink()
    freed = prepare(cfg.changed({"extends": both}))
    assert store.read_table(freed, "rejects").num_rows == 0
    assert rows_by_id(freed) == rows_by_id(base)


def test_without_it_one_is_told_how_much_is_new(cfg: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    base = prepare(cfg)
    assert "extends" not in capsys.readouterr().out
    write(tmp_path / "audio" / "s0" / "a" / "new.wav", seed=1)
    (tmp_path / "audio" / "s1" / "a" / "0.wav").unlink()
    said = f"1 files new, 0 changed, 1 removed since {base}: extends={base} decodes only those"
    prepare(cfg)
    assert said in capsys.readouterr().out
    prepare(cfg)
    prepare(cfg.changed({"sharding.seed": 1}))
    assert "extends" not in capsys.readouterr().out


def test_without_it_one_is_told_that_a_store_has_the_files_already(
    cfg: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base = prepare(cfg)
    write(tmp_path / "audio" / "s0" / "a" / "new.wav", seed=1)
    grown = prepare(cfg.changed({"extends": base}))
    capsys.readouterr()
    assert prepare(cfg) not in (base, grown)
    assert f"{grown} has these files: extends={grown} takes it as it is" in capsys.readouterr().out


def test_a_base_of_other_settings_or_without_held_out_speakers_is_refused(cfg: Recipe, tmp_path: Path):
    base = prepare(cfg)
    other = {"seed": 1, "min_duration_s": 0.2}
    with pytest.raises(ValueError, match=r"other settings: got .*=0.2.*, seed=1, expected .*=0.5, seed=0 .* extends="):
        prepare(cfg.changed({"extends": base, **{f"sharding.{key}": value for key, value in other.items()}}))
    with pytest.raises(ValueError, match="store not finished"):
        prepare(cfg.changed({"extends": str(tmp_path)}))
    shutil.rmtree(tmp_path / "audio" / name_of(min(speakers(base, "validation"))))
    with pytest.raises(ValueError, match=r"held-out speakers: got 1 of those that the store holds out, .* extends="):
        prepare(cfg.changed({"extends": base}))


@pytest.mark.slow
def test_what_was_embedded_of_the_base_is_taken_over(
    cfg: Recipe, tiny_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    embedded: list[str] = []
    embed_part = Embedder.__call__

    def watched(self: Embedder, task: pa.Table) -> dict[str, pa.Table]:
        embedded.extend(task["utt_id"].to_pylist())
        return embed_part(self, task)

    def embed(uri: str, run: str) -> pa.Table:
        ids = store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].combine_chunks()
        checkpoint = Checkpoint.open(best_checkpoint(tiny_run))
        return StoreEmbedder(checkpoint, uri, str(tmp_path / run), cfg.compute).embed(ids, label="embed")

    monkeypatch.setattr(Embedder, "__call__", watched)
    base = prepare(cfg)
    write(tmp_path / "audio" / "s_new" / "a" / "new.wav", seed=1003)
    grown = prepare(cfg.changed({"extends": base}))
    embed(base, "run")
    embedded.clear()
    found = embed(grown, "run")
    assert embedded == ["folder/s_new/a/new"]
    assert found.equals(embed(grown, "afresh"))
    embedded.clear()
    assert embed(grown, "run").equals(found)
    assert embedded == []
    os.rename(tmp_path / "run", tmp_path / "moved")
    assert embed(grown, "moved").equals(found)
    assert embedded == []
