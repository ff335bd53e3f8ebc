"""Scoring: what the model says, each embedding once, and nothing on speakers that were trained on."""

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from avis import store
from avis.audio.codec import read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.corpora.synthetic import Synthetic
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import check_trials, score
from avis.engine.trials import scoring
from avis.engine.trials.embedder import Embedder
from avis.lineage import Lineage


def own_trials(cfg: Recipe) -> tuple[list[tuple[str, str]], list[bool]]:
    corpus: Synthetic = cfg.corpora["synthetic"].build()
    lines = [line.split() for line in Path(corpus.trials_path).read_text().splitlines()]
    ids = [tuple(f"synthetic/{name.removesuffix('.flac')}" for name in line[1:]) for line in lines]
    return ids, [line[0] == "1" for line in lines]  # type: ignore[return-value]


def embeddings_of(checkpoint: Checkpoint, utterances: str) -> dict[str, np.ndarray]:
    """Embed every whole utterance of a store with the checkpoint's own model, one by one."""
    model, features = checkpoint.build_model().eval(), checkpoint.build_front_end()
    vectors = {}
    with torch.inference_mode():
        for row in store.read_table(utterances, "utterances").to_pylist():
            waveform = torch.from_numpy(read_all(row["audio"]))
            vectors[row["utt_id"]] = model(features(waveform)[None])[0].numpy().astype(np.float64)
    return vectors


def test_scores_equal_a_direct_computation(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    tables = score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run"))
    assert list(tables) == ["synthetic"]
    table = store.read_table(tables["synthetic"], "scores")
    pairs, target = own_trials(tiny_recipe)
    assert list(zip(table["enroll"].to_pylist(), table["test"].to_pylist(), strict=True)) == pairs
    assert table["target"].to_pylist() == target

    vectors = embeddings_of(checkpoint, tiny_store)
    index = store.read_table(tiny_store, "utterances", columns=["utt_id", "split"]).to_pylist()
    mean = np.mean([vectors[row["utt_id"]] for row in index if row["split"] == "train"], axis=0)
    expected = []
    for enroll, test in pairs:
        one, other = vectors[enroll] - mean, vectors[test] - mean
        expected.append(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    np.testing.assert_allclose(table["score"].to_numpy(), expected, atol=2e-5)


def lay_out_cn_celeb(synthetic: Path, root: Path) -> None:
    """Lay out synthetic recordings as CN-Celeb1: four speakers to train on and two evaluated, one of these enrolled."""
    names = ["data/{}/singing-01-001", "data/{}/speech-01-001", "eval/test/{}-vlog-01-001", "eval/enroll/{}-enroll"]
    folders = [*sorted((synthetic / "train").iterdir())[:4], *sorted((synthetic / "test").iterdir())[:2]]
    for number, folder in enumerate(folders):
        for file, name in zip(sorted(folder.rglob("*.flac")), names if number >= 4 else names[:2], strict=False):
            target = root / f"{name.format(f'id0000{number}')}.flac"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    lists = {
        "dev/dev.lst": "".join(f"id0000{number}\n" for number in range(4)),
        "eval/lists/enroll.map": "id00004-enroll id00004/singing-01-001.wav id00004/speech-01-001.wav\n",
        "eval/lists/trials.lst": "".join(
            f"id00004-enroll test/{test}-vlog-01-001.wav {target}\n"
            for test, target in (("id00004", 1), ("id00005", 0))
        ),
    }
    for name, text in lists.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_cn_celeb_is_scored_in_both_ways_to_enrol(tiny_recipe: Recipe, checkpoint: Checkpoint, tmp_path: Path):
    """Against the mean of the enrolled recordings' embeddings, and against the recording that they were joined to."""
    root = tmp_path / "CN-Celeb_flac"
    lay_out_cn_celeb(Path(tiny_recipe.corpora["synthetic"].build().folder), root)
    corpus = {"_target_": "avis.corpora.cn_celeb.CnCeleb1", "name": "cn", "root": str(root)}
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    cfg = tiny_recipe.changed(
        {"corpus.sources": {"cn": corpus}, "scoring.backend": backend, "output_dir": str(tmp_path)}
    )
    utterances = prepare(cfg)
    tables = score(cfg, checkpoint, utterances, str(tmp_path / "run"))
    assert list(tables) == ["CNC-Eval-Avg", "CNC-Eval-Concat"]
    vectors = embeddings_of(checkpoint, utterances)
    parts = (vectors["cn/id00004/singing-01-001"] + vectors["cn/id00004/speech-01-001"]) / 2
    for one, uri in zip((parts, vectors["cn/id00004-enroll"]), tables.values(), strict=True):
        others = [vectors[f"cn/test/{test}-vlog-01-001"] for test in ("id00004", "id00005")]
        expected = [one @ other / (np.linalg.norm(one) * np.linalg.norm(other)) for other in others]
        np.testing.assert_allclose(store.read_table(uri, "scores")["score"].to_numpy(), expected, atol=2e-5)


def test_batches_embed_each_utterance_as_it_would_be_alone(checkpoint: Checkpoint):
    """As on a GPU; here with so few frames that there are several batches, and padding in them."""
    embedder = Embedder(lambda: checkpoint, copies=0, banks=dict, use_gpu=False)
    features = [torch.randn(num_frames, 80) for num_frames in (120, 31, 77, 300, 45, 120)]
    alone = embedder.embed(features)
    embedder.frames_together = 250
    for one, together in zip(alone, embedder.embed(features), strict=True):
        np.testing.assert_allclose(together, one, atol=1e-4)


def test_each_utterance_is_embedded_once(tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path):
    score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run"))
    stores = sorted((tmp_path / "run" / "embeddings").iterdir())
    tables = [store.read_table(str(uri), "embeddings") for uri in stores]
    names = [table["utt_id"].to_pylist() for table in tables]
    pairs, _ = own_trials(tiny_recipe)
    in_trials = {name for pair in pairs for name in pair}
    index = store.read_table(tiny_store, "utterances", columns=["utt_id", "split"]).to_pylist()
    trained_on = {row["utt_id"] for row in index if row["split"] == "train"}
    assert {frozenset(ids) for ids in names} == {frozenset(in_trials), frozenset(trained_on)}
    assert all(len(set(ids)) == len(ids) for ids in names)
    assert all(table["embedding"].type == pa.list_(pa.float32(), 16) for table in tables)


def test_a_rerun_embeds_and_scores_nothing(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    first = score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run"))
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run")) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written


def test_scores_are_the_same_for_any_number_of_parts(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = store.read_table(score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "one"))["synthetic"], "scores")
    monkeypatch.setattr(scoring, "TRIALS_PER_PART", 7)
    uri = score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "many"))["synthetic"]
    assert len(store.part_uris(uri, "scores")) == -(-len(whole) // 7) > 5
    many = store.read_table(uri, "scores")
    assert many.drop_columns(["score"]).equals(whole.drop_columns(["score"]))
    np.testing.assert_allclose(many["score"].to_numpy(), whole["score"].to_numpy(), atol=1e-6)


@pytest.mark.slow
def test_scores_are_the_same_on_ray(
    ray_session: None, tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    here = store.read_table(score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "one"))["synthetic"], "scores")
    os.remove(next(tmp_path.glob("backend-*.npz")))
    on_ray = tiny_recipe.changed({"compute.where": "local"})
    there = store.read_table(score(on_ray, checkpoint, tiny_store, str(tmp_path / "ray"))["synthetic"], "scores")
    assert there.drop_columns(["score"]).equals(here.drop_columns(["score"]))
    np.testing.assert_allclose(there["score"].to_numpy(), here["score"].to_numpy(), atol=1e-5)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "backend",
    [
        {"_target_": "avis.scoring.lda.Lda", "dim": 3, "shrinkage": 0.1},
        {"_target_": "avis.scoring.plda.Plda", "num_iterations": 5},
    ],
    ids=["lda", "plda"],
)
def test_backends_are_fitted_on_training_speakers_kept_and_reused(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    backend: dict[str, Any],
):
    cfg = tiny_recipe.changed({"scoring": {"fit_utterances": 12, "fit_copies": 3, "backend": backend}})
    uri = score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))["synthetic"]
    first = store.read_table(uri, "scores")["score"].to_numpy()
    assert np.isfinite(first).all()
    [kept] = tmp_path.glob("backend-*.npz")
    rows = [
        store.open_manifest(str(path))["rows"]["embeddings"] for path in (tmp_path / "run" / "embeddings").iterdir()
    ]
    assert 12 * (1 + 3) in rows

    saved_at = kept.stat().st_mtime_ns
    again = score(cfg, checkpoint, tiny_store, str(tmp_path / "other_run"))["synthetic"]
    np.testing.assert_allclose(store.read_table(again, "scores")["score"].to_numpy(), first, atol=1e-6)
    assert kept.stat().st_mtime_ns == saved_at
    with np.load(io.BytesIO(kept.read_bytes()), allow_pickle=False) as state:
        assert all(np.isfinite(state[name]).all() for name in state)


def with_trials(cfg: Recipe, tmp_path: Path, lines: list[str]) -> Recipe:
    path = tmp_path / "some.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return cfg.changed({"trials": str(path)})


def test_ids_that_the_store_lacks_are_named(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    lines = [
        "1 test_0000/session_0/000.flac test_0000/session_1/000.flac",
        "0 test_0000/session_0/000.flac nobody/session_9/000.flac",
    ]
    with pytest.raises(ValueError, match=r"got 1 unknown ids.*At nobody/session_9/000\.flac\."):
        score(with_trials(tiny_recipe, tmp_path, lines), checkpoint, tiny_store, str(tmp_path / "run"))


def test_trials_of_training_speakers_are_refused(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    index = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "split"]).to_pylist()
    seen = next(row for row in index if row["split"] == "train")
    lines = [
        "1 test_0000/session_0/000 test_0000/session_1/000",
        f"0 test_0000/session_0/000 {seen['utt_id']}",
    ]
    message = rf"speaker in both train and test: got 1 speakers .*At {seen['speaker']}\."
    with pytest.raises(ValueError, match=message):
        score(with_trials(tiny_recipe, tmp_path, lines), checkpoint, tiny_store, str(tmp_path / "run"))
    with pytest.raises(ValueError, match=message):
        check_trials(with_trials(tiny_recipe, tmp_path, lines), tiny_store, Lineage())


def test_trials_are_checked_before_the_training(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    check_trials(tiny_recipe, tiny_store, Lineage())
    with pytest.raises(ValueError, match=r"trial list cannot be read: .*nowhere\.txt"):
        check_trials(tiny_recipe.changed({"trials": str(tmp_path / "nowhere.txt")}), tiny_store, Lineage())


def test_several_lists_and_lists_without_answers(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    known, unknown = tmp_path / "known.txt", tmp_path / "unknown.csv"
    known.write_text(
        "1 test_0000/session_0/000 test_0000/session_1/000\n0 test_0000/session_0/000 test_0001/session_1/000\n"
    )
    unknown.write_text("enroll,test,noise\ntest_0000/session_0/000,test_0002/session_1/000,loud\n")
    cfg = tiny_recipe.changed({"trials": {"a": str(known), "b": str(unknown)}})
    tables = score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))
    assert list(tables) == ["a", "b"]
    [row] = store.read_table(tables["b"], "scores").to_pylist()
    assert row["target"] is None
    assert row["noise"] == "loud"
    assert -1 <= row["score"] <= 1
    folder = {"_target_": "avis.corpora.folder.Folder", "name": "mine", "root": "nowhere", "split": "test"}
    with pytest.raises(ValueError, match=r"no trial list: got trials=null, .* since mine has none of its own"):
        score(tiny_recipe.changed({"corpus.sources": {"mine": folder}}), checkpoint, tiny_store, str(tmp_path / "run"))
