"""Corpora, stores and scores on S3: the same bytes as on a disk, cut off and gone on with."""

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
import soundfile as sf

from avis import location, store
from avis.checkpoints.run_checkpoints import next_position
from avis.corpora.folder import Folder
from avis.engine import prepare as preparing
from avis.engine import train as engine
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.shards.shard_maker import ShardMaker
from avis.evaluation.evaluate import evaluate, with_answers

BUCKET = "speech"
NUM_SPEAKERS = 4


@pytest.fixture
def corpus(s3: str, tmp_path: Path) -> tuple[Path, str]:
    """Lay the same files down on the disk and on S3, and lists of them."""
    local, remote = tmp_path / "audio", f"s3://{BUCKET}/audio{s3}"
    names = [f"s{speaker}/a/{number} é.wav" for speaker in range(NUM_SPEAKERS) for number in range(3)]
    for seed, name in enumerate(names):
        samples = np.random.default_rng(seed).uniform(-0.3, 0.3, 16000)
        buffer = io.BytesIO()
        sf.write(buffer, samples, 16000, format="WAV")
        for root in (str(local), remote):
            store.write_bytes(location.join(root, name), buffer.getvalue())
    listed = [*names, "s0/a/missing.wav"]
    ids = [name.replace(" ", "-") for name in listed]
    lists = {
        "list.csv": "path,speaker\n" + "".join(f"{name},{name[:2]}\n" for name in listed),
        "wav.scp": "".join(f"{utterance} {name}\n" for utterance, name in zip(ids, listed, strict=True)),
        "utt2spk": "".join(f"{utterance} {utterance[:2]}\n" for utterance in ids),
    }
    for root in (str(local), remote):
        for name, text in lists.items():
            store.write_bytes(location.join(root, name), text.encode())
    return local, remote


def checksums(uri: str) -> dict[str, str]:
    files = store.open_manifest(uri)["files"]
    return {file: info["sha256"] for file, info in files.items() if file.startswith("utterances/")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "layout", "key", "name"),
    [
        ("debug", "manifest", "path", "list.csv"),
        pytest.param("local", "kaldi", "root", "", marks=[pytest.mark.slow, pytest.mark.xdist_group("ray_session")]),
    ],
)
def test_the_same_bytes_as_on_a_disk_after_a_break(
    corpus: tuple[Path, str],
    s3: str,
    recipe: Callable[..., Recipe],
    where: str,
    layout: str,
    key: str,
    name: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    local, remote = corpus
    settings = ["sharding.num_validation_speakers=2", "sharding.max_reject_share=0.1"]
    composed = recipe(*settings, f"corpus.{key}={local}/{name}", name="prepare", corpus=layout)
    expected = checksums(prepare(composed.changed({"output_dir": str(tmp_path)})))
    on_s3 = composed.changed(
        {
            f"corpus.sources.{layout}.{key}": location.join(remote, name),
            "output_dir": f"s3://{BUCKET}/outputs-{where}{s3}",
            "compute.where": where,
        }
    )
    if where == "local":
        request.getfixturevalue("ray_session")
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "ShardMaker", unplugged())
        with pytest.raises(OSError, match="pulled the plug"):
            prepare(on_s3)
    uri = prepare(on_s3)
    assert uri.startswith(f"s3://{BUCKET}/outputs-{where}/stores/")
    assert checksums(uri) == expected
    assert store.read_table(uri, "utterances").num_rows == 12
    assert [row["path"] for row in store.read_table(uri, "rejects").to_pylist()] == [
        location.join(remote, "s0/a/missing.wav")
    ]
    system, key = location.filesystem(uri)
    kept = {info.path for info in system.get_file_info(pafs.FileSelector(key, recursive=True)) if info.is_file}
    assert kept == {f"{key}/{name}" for name in [*store.open_manifest(uri)["files"], store.MANIFEST]}
    assert prepare(on_s3) == uri


@pytest.mark.slow
def test_a_store_on_s3_is_extended(corpus: tuple[Path, str], s3: str, recipe: Callable[..., Recipe]):
    settings = ["sharding.num_validation_speakers=2", "sharding.max_reject_share=0.1"]
    path = corpus[0] / "list.csv"
    overrides = [*settings, f"corpus.path={path}", f"output_dir='s3://{BUCKET}/extended{s3}'"]
    cfg = recipe(*overrides, name="prepare", corpus="manifest")
    base = prepare(cfg)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "s0/a/0" not in line))
    grown = prepare(cfg.changed({"extends": base}))
    uris = store.part_uris(grown, "utterances")
    assert all(uri.startswith(f"s3://{BUCKET}/extended/stores/") and uri.endswith(s3) for uri in uris)
    whole, less = (set(store.read_table(uri, "utterances")["utt_id"].to_pylist()) for uri in (base, grown))
    assert whole - less == {"manifest/s0/a/0 é"}
    assert len(less) == 11


def unplugged() -> type[ShardMaker]:
    """Return what makes shards, but for one, at which storage fails for good; defined here, it gets to any worker."""

    class Unplugged(ShardMaker):
        def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
            if any("s2/a/1" in path for path in task["path"].to_pylist()):
                raise OSError("pulled the plug")
            return super().__call__(task)

    return Unplugged


def test_what_was_finished_before_the_break_is_kept(corpus: tuple[Path, str], s3: str):
    uri = f"s3://{BUCKET}/broken{s3}"
    table = Folder(name="a", root=corpus[1], split="train").sources()
    record = store.commit_part(uri, "train-00000", {"utterances": table}, row_group_rows=4)
    assert store.committed_parts(uri) == {"train-00000": record}
    with pytest.raises(ValueError, match="parts missing: got 1 of 2 parts"):
        store.finish(uri, parts=["train-00000", "train-00001"], inputs="x", facts={})
    store.finish(uri, parts=["train-00000"], inputs="x", facts={})
    assert store.committed_parts(uri) == {}
    assert store.read_table(uri, "utterances").equals(table)
    store.write_bytes(location.join(uri, "utterances/train-00000.parquet"), b"damaged")
    with pytest.raises(ValueError, match="corrupt shard: got 7 bytes"):
        store.open_manifest(uri)


def test_a_folder_on_s3_is_listed_like_one_on_a_disk(corpus: tuple[Path, str]):
    local, remote = (Folder(name="a", root=str(root), split="train").sources() for root in corpus)
    assert remote.drop_columns(["path", "modified_ns"]).equals(local.drop_columns(["path", "modified_ns"]))
    assert remote["path"][0].as_py() == location.join(corpus[1], "s0/a/0 é.wav")
    with pytest.raises(ValueError, match="no audio found"):
        Folder(name="a", root=location.join(corpus[1], "nothing"), split="train").sources()


def test_scores_are_evaluated_where_they_lie(s3: str, recipe: Callable[..., Recipe]):
    uri, out = f"s3://{BUCKET}/scores/dev.txt{s3}", f"s3://{BUCKET}/evaluated{s3}"
    store.write_bytes(uri, b"1 0.9\n1 0.6\n0 0.7\n0 0.1\n")
    evaluation = recipe("evaluation.bootstrap_draws=0").evaluation
    evaluated = evaluate({location.stem(uri): uri}, out, facts={}, evaluation=evaluation)
    assert evaluated.metrics["dev"].summary.figures["eer", ""] == pytest.approx(0.5)
    assert store.read_json(location.join(out, "metrics.json"))["dev"]["scores"] == uri
    assert b"<html" in location.read_bytes(evaluated.report_path)


@pytest.mark.slow
def test_a_whole_run_on_s3_goes_on_after_a_break(
    ray_session: None, tiny_recipe: Recipe, s3: str, monkeypatch: pytest.MonkeyPatch
):
    outputs = f"s3://{BUCKET}/whole{s3}"
    cfg = tiny_recipe.changed({"output_dir": outputs})
    run_dir, utterances = location.join(outputs, "runs", "a"), prepare(cfg)
    batches = engine.local_batches
    with monkeypatch.context() as patch:
        patch.setattr(engine, "local_batches", lambda *args, **more: itertools.islice(batches(*args, **more), 5))
        with pytest.raises(AssertionError, match="the stream ended"):
            engine.train(cfg, utterances, run_dir)
    assert next_position(run_dir) == (1, 0)
    on_ray = cfg.changed({"compute.where": "local", "compute.num_workers": 2, "compute.use_gpu": False})
    checkpoint = engine.train(on_ray, utterances, run_dir)
    assert next_position(run_dir) == (2, 0)
    assert location.names_in(location.join(run_dir, "checkpoints")) == ["best.ckpt", "last-1.ckpt", "last.ckpt"]
    assert location.names_in(location.join(run_dir, "csv")) == ["version_0", "version_1"]
    logged = location.names_in(location.join(run_dir, "tensorboard"))
    assert sum(name.startswith("events.") for name in logged) == 2
    [scores] = with_answers(score(on_ray, checkpoint, utterances, run_dir)).values()
    assert scores.startswith(f"s3://{BUCKET}/whole/runs/a/")
