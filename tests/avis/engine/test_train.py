"""Training on Ray: two workers, the same figures every time, clear refusals."""

import csv
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray
import torch
from ray.train import RunConfig
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoint
from avis.engine import train as engine
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.train import checkpoint_choice, train
from avis.metrics.eer import equal_error_rate
from avis.training import activation_checkpointing
from avis.training.examples import features_of, validation_examples
from avis.training.faster_step import KEPT_MEMORY
from avis.training.module import SpeakerVerifier

LOGGED = {"train/loss", "train/accuracy", "train/learning_rate", "train/samples_per_s", "train/waiting_share"}
NUM_VALIDATION = 7
"""An odd number, so that two workers have shares of different sizes."""


@pytest.fixture(scope="module")
def on_ray(tiny_recipe: Recipe) -> Recipe:
    """Return a recipe for two workers: batches of 6 from 16 utterances leave a rest, and a block without examples."""
    trainer = {"trainer.batch_size": 6, "trainer.max_validation_utterances": NUM_VALIDATION}
    compute = {"compute.where": "local", "compute.num_workers": 2, "compute.use_gpu": False}
    return tiny_recipe.changed(trainer | compute)


@pytest.fixture(scope="module")
def ray_run(ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    run_dir = str(tmp_path_factory.mktemp("ray_run"))
    assert train(on_ray, tiny_store, run_dir).uri == best_checkpoint(run_dir)
    return run_dir


def column(run_dir: str, name: str) -> list[float]:
    files = sorted(Path(run_dir, "csv").glob("version_*/metrics.csv"))
    return [float(row[name]) for file in files for row in csv.DictReader(file.open()) if row.get(name)]


@pytest.mark.parametrize(("data_cpus", "feeding"), [(None, 6), (2, 2), (100, 6)])
def test_what_feeds_the_workers_is_bounded_by_data_cpus(
    on_ray: Recipe,
    tiny_store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_cpus: int | None,
    feeding: int,
):
    inputs = gather_inputs(on_ray.changed({"compute.data_cpus": data_cpus}), tiny_store, 2, str(tmp_path))
    context = SimpleNamespace(get_world_rank=lambda: 1, get_world_size=lambda: 2, get_local_world_size=lambda: 2)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8})
    monkeypatch.setattr(ray, "get", lambda value: value)
    fed: dict[str, Any] = {}
    monkeypatch.setattr(engine, "streamed_batches", lambda *_, **given: fed.update(given))
    monkeypatch.setattr(engine, "fit_on_worker", lambda *_, **__: None)
    others = {name: value for name, value in vars(inputs).items() if name != "examples"}
    given = {"examples": [inputs.examples], "others": [others], "variables": [{}]}
    engine._train_worker({**given, "run_dir": str(tmp_path), "request": None, "moving": False})
    assert (fed["at_most"], fed["data_cpus"]) == (data_cpus, feeding)


class AskedError(Exception):
    """What Ray Train is asked for."""


@pytest.mark.parametrize(
    ("use_gpu", "of_the_user", "expected"),
    [
        (False, {}, KEPT_MEMORY),
        (False, {"MALLOC_ARENA_MAX": "4"}, {**KEPT_MEMORY, "MALLOC_ARENA_MAX": "4"}),
        (True, {}, {}),
    ],
)
def test_trainers_on_cpus_start_so_that_they_keep_their_memory(
    ray_session: None,
    on_ray: Recipe,
    tiny_store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use_gpu: bool,
    of_the_user: dict[str, str],
    expected: dict[str, str],
):
    for name, value in of_the_user.items():
        monkeypatch.setenv(name, value)

    def asked(*_: Any, run_config: RunConfig, **__: Any) -> None:
        raise AskedError(run_config.worker_runtime_env)

    monkeypatch.setattr(engine, "TorchTrainer", asked)
    inputs = gather_inputs(on_ray, tiny_store, 2, str(tmp_path))
    with pytest.raises(AskedError) as raised:
        engine._train_on_ray(inputs, str(tmp_path), num_workers=(2, 2), use_gpu=use_gpu)
    assert raised.value.args == ({"env_vars": expected},)


def test_two_workers_leave_checkpoints_and_logs(on_ray: Recipe, ray_run: str):
    for path in (best_checkpoint(ray_run), str(last_checkpoint(ray_run))):
        assert Checkpoint.open(path).recipe == on_ray.placed().plain
    last = Checkpoint.open(str(last_checkpoint(ray_run)))
    assert (last.epoch, last.global_step) == (1, 4)
    assert len(column(ray_run, "train/loss")) == 4
    assert len(column(ray_run, "val/eer")) == 2
    for name in LOGGED:
        assert all(np.isfinite(column(ray_run, name))), name
    assert all(0 <= share <= 1 for share in column(ray_run, "train/waiting_share"))
    assert set(EventAccumulator(f"{ray_run}/tensorboard").Reload().Tags()["scalars"]) >= LOGGED | {"val/eer"}


def test_two_workers_log_the_losses_of_one(on_ray: Recipe, tiny_store: str, ray_run: str, tmp_path: Path):
    train(on_ray.changed({"compute.where": "debug"}), tiny_store, str(tmp_path))
    for name in ("train/loss", "train/accuracy", "train/learning_rate", "val/eer"):
        assert column(ray_run, name) == pytest.approx(column(str(tmp_path), name), rel=1e-5), name


def test_validation_over_uneven_shares_is_that_of_all_utterances(on_ray: Recipe, tiny_store: str, ray_run: str):
    of_all = gather_inputs(on_ray, tiny_store, 2)
    maker = on_ray.examples.build_maker(training=False, augment=False)
    inputs, speakers = validation_examples(
        maker, of_all.validation, max_utterances=NUM_VALIDATION, banks=of_all.examples.banks
    )
    assert len(speakers) == NUM_VALIDATION
    model = Checkpoint.open(str(last_checkpoint(ray_run))).build_model().eval()
    with torch.inference_mode():
        embeddings = model(features_of(inputs, None)).numpy()
    scores, target = [], []
    for i in range(NUM_VALIDATION):
        for j in range(i):
            norms = np.linalg.norm(embeddings[i]) * np.linalg.norm(embeddings[j])
            scores.append(embeddings[i] @ embeddings[j] / norms)
            target.append(speakers[i] == speakers[j])
    assert 0 <= roc_auc_score(target, scores) <= 1
    assert column(ray_run, "val/eer")[-1] == pytest.approx(equal_error_rate(scores, target)[0], abs=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses(on_ray: Recipe, tiny_store: str, ray_run: str, tmp_path: Path):
    train(on_ray, tiny_store, str(tmp_path))
    for name in ("train/loss", "val/eer"):
        assert column(str(tmp_path), name) == pytest.approx(column(ray_run, name), rel=1e-5)


@pytest.mark.slow
def test_as_many_workers_as_there_is_room_for_take_the_same_steps(
    on_ray: Recipe, tiny_store: str, ray_run: str, tmp_path: Path
):
    """Two have room, as in `ray_run`."""
    train(on_ray.changed({"compute.num_workers": [1, 2]}), tiny_store, str(tmp_path))
    assert column(str(tmp_path), "train/loss") == pytest.approx(column(ray_run, "train/loss"), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_the_same_losses_on_any_number_of_workers(
    ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path: Path, num_workers: int
):
    """Of batches of 7, so that shares are uneven, under statistics of all workers, in 32 bits."""
    settings = {"trainer.batch_size": 7, "trainer.sync_batchnorm": True, "trainer.precision": "32-true"}
    in_process = on_ray.changed({**settings, "compute.where": "debug"})
    train(in_process, tiny_store, str(tmp_path / "one"))
    bounded = {"compute.num_workers": num_workers, "compute.data_cpus": 1}
    train(on_ray.changed({**settings, **bounded}), tiny_store, str(tmp_path / "several"))
    assert set(column(str(tmp_path / "several"), "work/data_cpus")) == {1.0}
    losses = column(str(tmp_path / "several"), "train/loss")
    assert losses == pytest.approx(column(str(tmp_path / "one"), "train/loss"), rel=1e-5)


@pytest.mark.slow
def test_placements_train_alike(on_ray: Recipe, tiny_store: str, ray_run: str, tmp_path: Path):
    """Batch normalisation over three examples makes much of rounding: of the 16 bits that features travel in most."""
    losses = {}
    for features, augment in [("device", "stream"), ("device", "device"), ("materialize", "stream")]:
        placements = {"features.placement": features, "augment.placement": augment}
        run = str(tmp_path / f"{features}-{augment}")
        train(on_ray.changed({**placements, "output_dir": str(tmp_path)}), tiny_store, run)
        losses[features, augment] = column(run, "train/loss")
    streamed = column(ray_run, "train/loss")
    assert losses["materialize", "stream"] == pytest.approx(streamed, rel=0.05)
    assert losses["device", "stream"] == pytest.approx(streamed, rel=0.05)
    assert losses["device", "device"] == pytest.approx(losses["device", "stream"], rel=0.02)


def test_a_finished_run_is_not_trained_again(on_ray: Recipe, tiny_store: str, ray_run: str):
    before = Path(best_checkpoint(ray_run)).stat().st_mtime_ns
    assert train(on_ray, tiny_store, ray_run).uri == best_checkpoint(ray_run)
    assert Path(best_checkpoint(ray_run)).stat().st_mtime_ns == before


def test_a_batch_that_does_not_divide_is_refused(ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path: Path):
    cfg = on_ray.changed({"trainer.batch_size": 5, "trainer.utterances_per_speaker": 2})
    message = r"batch does not divide: got trainer\.batch_size=5 for 2 utterances per speaker"
    with pytest.raises(ValueError, match=message):
        train(cfg, tiny_store, str(tmp_path))


def test_batches_that_cannot_be_in_groups_are_refused(on_ray: Recipe, tiny_store: str):
    cfg = on_ray.changed({"trainer.utterances_per_speaker": 2})
    with pytest.raises(ValueError, match=r"one speaker in a batch: .*At trainer\.batch_size"):
        gather_inputs(cfg.changed({"trainer.batch_size": 2}), tiny_store, 1)
    with pytest.raises(ValueError, match=r"placement=materialize, expected 1\. At trainer\.utterances_per_speaker"):
        gather_inputs(cfg.changed({"features.placement": "materialize"}), tiny_store, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("where", ["debug", "local"])
def test_gpus_that_are_not_there_are_refused(
    ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path: Path, where: str
):
    cfg = on_ray.changed({"compute.use_gpu": True, "compute.where": where})
    with pytest.raises(ValueError, match=r"GPU missing: got 0 GPUs, expected at least 2\. At compute\.use_gpu"):
        train(cfg, tiny_store, str(tmp_path))


def test_a_store_without_training_speakers_is_refused(tiny_recipe: Recipe, tmp_path: Path):
    with pytest.raises(ValueError, match="store not finished"):
        train(tiny_recipe, str(tmp_path), str(tmp_path / "run"))


def test_steps_run_in_this_process_when_debugging(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ran_in: list[int] = []
    training_step = SpeakerVerifier.training_step

    def noted(self: SpeakerVerifier, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        ran_in.append(os.getpid())
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(SpeakerVerifier, "training_step", noted)
    train(tiny_recipe.changed({"trainer.num_epochs": 1}), tiny_store, str(tmp_path))
    assert ran_in == [os.getpid()] * 4


@pytest.mark.slow
def test_activation_checkpointing_trains_the_same_weights(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    computed_again = []
    checkpoint = torch.utils.checkpoint.checkpoint
    monkeypatch.setattr(
        activation_checkpointing, "checkpoint", lambda *a, **k: computed_again.append(a[0]) or checkpoint(*a, **k)
    )
    trained = train(tiny_recipe.changed({"trainer.activation_checkpointing": True}), tiny_store, str(tmp_path))
    assert computed_again
    assert column(str(tmp_path), "train/loss") == column(tiny_run, "train/loss")
    torch.testing.assert_close(trained.weights, Checkpoint.open(best_checkpoint(tiny_run)).weights)


@pytest.mark.slow
def test_a_shard_that_went_bad_stops_the_training_with_its_path(
    ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path: Path
):
    import shutil

    copy = shutil.copytree(tiny_store, tmp_path / "store")
    shard = sorted((copy / "utterances").glob("train-*.parquet"))[3]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {re.escape(str(shard))}"):
        train(on_ray.changed({"augment.chain": None}), str(copy), str(tmp_path / "run"))


@pytest.mark.slow
def test_two_workers_compare_utterances_of_groups_of_speakers(
    ray_session: None, on_ray: Recipe, tiny_store: str, tmp_path: Path
):
    """The loss refuses a batch that is not made of groups, on any worker."""
    groups = {"batch_size": 8, "utterances_per_speaker": 2, "groups_per_block": 4}
    trainer = {f"trainer.{key}": value for key, value in groups.items()}
    loss = {"_target_": "avis.losses.ge2e.Ge2e", "utterances_per_speaker": 2}
    train(on_ray.changed({"loss": loss, **trainer}), tiny_store, str(tmp_path))
    assert np.isfinite(column(str(tmp_path), "train/loss")).all()
    assert max(column(str(tmp_path), "train/loss")) > 0


@pytest.mark.slow
def test_a_checkpoint_teaches_a_model_of_another_size(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    loss = {
        "_target_": "avis.checkpoints.teacher.distillation",
        "_partial_": True,
        "classification": tiny_recipe.loss.plain,
        "teacher_checkpoint": os.path.relpath(best_checkpoint(tiny_run)),
        "distance": "cosine",
        "distance_weight": 1.0,
    }
    student = train(tiny_recipe.changed({"model.embedding_dim": 12, "loss": loss}), tiny_store, str(tmp_path))
    teacher_dim = tiny_recipe.model.plain["embedding_dim"]
    assert student.weights["loss.project.weight"].shape == (teacher_dim, 12)
    assert not any("teacher" in name for name in student.weights)
    assert os.path.isabs(student.recipe["loss"]["teacher_checkpoint"])


@pytest.mark.parametrize(
    ("average_epochs", "most", "words"),
    [
        (0, 1000, "the lowest EER of 2 held-out speakers, which is coarse: with fewer than 30 it"),
        (0, 1, "the lowest EER of 1 held-out speakers, which"),
        (2, 1000, "the average of the last 2 epochs"),
    ],
)
def test_few_held_out_speakers_choose_coarsely(
    tiny_recipe: Recipe, tiny_store: str, average_epochs: int, most: int, words: str
):
    trainer = {"trainer.average_epochs": average_epochs, "trainer.max_validation_utterances": most}
    assert checkpoint_choice(tiny_recipe.changed(trainer), tiny_store).startswith(words)


def test_many_held_out_speakers_choose(tiny_recipe: Recipe, tmp_path: Path):
    held_out = pa.table({"speaker": [f"s{number % 30}" for number in range(90)]})
    store.commit_part(str(tmp_path / "s"), "validation-00000", {"utterances": held_out}, row_group_rows=10)
    store.finish(str(tmp_path / "s"), parts=[], inputs="x", facts={})
    assert checkpoint_choice(tiny_recipe, str(tmp_path / "s")) == "the lowest EER of 30 held-out speakers"


@pytest.mark.slow
def test_a_training_that_does_not_learn_says_so(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe = tiny_recipe.changed({"optimizer.lr": 1e-12, "augment.chain": None})
    checkpoint = train(recipe, tiny_store, str(tmp_path))
    assert len(checkpoint.history) == recipe.trainer.num_epochs
    score(recipe, checkpoint, tiny_store, str(tmp_path))
    assert re.search("warning: Not(hing learnt| told from chance): the ", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer.crop_s": 5.0}, r"no utterance fills a crop: got crop_s=5\.0 s, expected at most 1\.50 s"),
        ({"trainer.max_validation_utterances": 1}, "nothing to validate on: got 1 utterances of 1 held-out speakers"),
        ({"trainer.batch_size": 2}, r"local batch of 1: got trainer\.batch_size=2 for 2 workers"),
    ],
)
def test_what_cannot_be_learnt_is_refused(on_ray: Recipe, tiny_store: str, settings: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        gather_inputs(on_ray.changed(settings), tiny_store, 2)
