"""A whole training in this process: what it leaves behind, and going on with it."""

import csv
import math
import os
import re
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import numpy as np
import pytest
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avis import store
from avis.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avis.checkpoints.components import build
from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoint, next_position
from avis.engine import train as engine
from avis.engine.examples.batches import local_batches
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.train import fit_on_worker, train
from avis.engine.workers.stopping import STOPPING
from avis.storage_fault import StorageError
from avis.training import saving
from avis.training.fit import exchange
from avis.training.module import SpeakerVerifier
from avis.training.remote import CheckpointsAt, local_logs
from tests.avis.training.gradient_exchange import steps_of_one_start_and_of_two

STEPS = 4  # 16 utterances of 4 speakers in batches of 4
LOGGED = {"train/loss", "train/accuracy", "train/learning_rate", "train/samples_per_s", "train/waiting_share"}


def logged(run_dir: str) -> list[dict[str, str]]:
    """Return the rows of all CSV logs of a run, in order, but for those on the machine, which come by the clock."""
    files = sorted(Path(run_dir, "csv").glob("version_*/metrics.csv"))
    return [row for file in files for row in csv.DictReader(file.open()) if not row.get("system/memory_gib")]


def column(run_dir: str, name: str) -> list[float]:
    return [float(row[name]) for row in logged(run_dir) if row.get(name)]


def test_a_checkpoint_runs_no_code_and_holds_recipe_speakers_and_weights(tiny_recipe: Recipe, tiny_run: str):
    for path in (best_checkpoint(tiny_run), last_checkpoint(tiny_run)):
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        assert loaded["recipe"] == tiny_recipe.placed().plain
        assert len(loaded["speakers"]) == 4
        assert all(name.startswith("synthetic/train_") for name in loaded["speakers"])
        model = build(loaded["recipe"]["model"])
        prefix = "model."
        weights = {k.removeprefix(prefix): v for k, v in loaded["state_dict"].items() if k.startswith(prefix)}
        assert model.load_state_dict(weights)
    assert next_position(tiny_run) == (2, 0)
    assert next_position(f"{tiny_run}/nothing") == (0, 0)


def test_best_is_the_epoch_with_the_lowest_held_out_error_rate(tiny_run: str):
    rates = column(tiny_run, "val/eer")
    assert len(rates) == 2
    assert read_checkpoint(best_checkpoint(tiny_run))["epoch"] == rates.index(min(rates))


def test_logs_for_tables_and_tensorboard(tiny_recipe: Recipe, tiny_run: str):
    rows = logged(tiny_run)
    assert set(rows[0]) >= LOGGED | {"epoch", "step", "val/eer"}
    assert len(column(tiny_run, "train/loss")) == 2 * STEPS
    schedule, peak = tiny_recipe.learning_rate.build(), tiny_recipe.optimizer.plain["lr"]
    expected = [peak * schedule(step / (2 * STEPS)) for step in range(2 * STEPS)]
    assert column(tiny_run, "train/learning_rate") == pytest.approx(expected, rel=1e-5)
    assert all(0 <= share <= 1 for share in column(tiny_run, "train/waiting_share"))
    assert all(pace > 0 for pace in column(tiny_run, "train/samples_per_s"))
    events = EventAccumulator(f"{tiny_run}/tensorboard").Reload()
    assert set(events.Tags()["scalars"]) >= LOGGED | {"val/eer"}
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses == pytest.approx(column(tiny_run, "train/loss"))


def test_a_finished_run_is_not_trained_again(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "fit_on_worker", None)
    assert train(tiny_recipe, tiny_store, tiny_run).uri == best_checkpoint(tiny_run)


@pytest.mark.few(1)
@pytest.mark.parametrize(("scheme", "minutes"), [("", 10.0), ("memory://", 10.0), ("", 1e-9)])
def test_going_on_from_the_last_checkpoint_equals_the_undisturbed_run(
    tiny_recipe: Recipe,
    tiny_store: str,
    tiny_run: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    minutes: float,
):
    """It is of the end of an epoch, or of the last step before the break."""
    local_batches = engine.local_batches

    def cut_off(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, batch in enumerate(local_batches(*args, **kwargs)):
            if number == STEPS + 1:
                raise ConnectionError("power cut")
            yield batch

    monkeypatch.setattr(saving, "CHECK_S", 0.0)  # a question at every step
    run_dir, recipe = f"{scheme}{tmp_path}/run", tiny_recipe.changed({"trainer.checkpoint_minutes": minutes})
    with monkeypatch.context() as patch:
        patch.setattr(engine, "local_batches", cut_off)
        with pytest.raises(ConnectionError, match="power cut"):
            train(recipe, tiny_store, run_dir)
    done = 1 if minutes < 1 else 0
    assert next_position(run_dir) == (1, done)
    train(recipe, tiny_store, run_dir)
    undisturbed, resumed = (read_checkpoint(str(last_checkpoint(run))) for run in (tiny_run, run_dir))
    assert resumed["epoch"] == undisturbed["epoch"] == 1
    assert resumed["global_step"] == undisturbed["global_step"] == 2 * STEPS
    for name, weights in undisturbed["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weights)
    if scheme:
        assert not list(tmp_path.iterdir())
        fsspec.filesystem("memory").get(f"{tmp_path}/run", str(tmp_path), recursive=True)
        run_dir = f"{tmp_path}/run"
    assert sorted(path.name for path in Path(run_dir, "csv").iterdir()) == ["version_0", "version_1"]
    left = STEPS - done
    assert column(run_dir, "train/loss")[-left:] == column(tiny_run, "train/loss")[-left:]
    assert column(run_dir, "val/eer")[-1] == column(tiny_run, "val/eer")[-1]


def told_to_stop_after(step: int) -> Callable[..., Iterator[Any]]:
    """Return what gives the batches of a training, whose signal to stop comes with the one of a step."""
    local_batches = engine.local_batches

    def batches(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, batch in enumerate(local_batches(*args, **kwargs), 1):
            if number == step:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    return batches


@pytest.mark.few(1)
@pytest.mark.parametrize("step", [pytest.param(2, marks=pytest.mark.slow), STEPS, STEPS + 3])
def test_stopped_after_a_step_and_gone_on_with_equals_the_undisturbed_run(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
):
    """A signal during the last step of an epoch lets it end with its validation."""
    monkeypatch.setattr(saving, "CHECK_S", 0.0)  # a question at every step
    run_dir = str(tmp_path / "run")
    with monkeypatch.context() as patch, STOPPING.listening():
        patch.setattr(engine, "local_batches", told_to_stop_after(step))
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe, tiny_store, run_dir)
    assert next_position(run_dir) == divmod(step, STEPS)
    assert len(column(run_dir, "train/loss")) == step
    assert len(column(run_dir, "val/eer")) == step // STEPS
    shutil.move(run_dir, tmp_path / "moved")  # the state says nothing of where it lies
    with STOPPING.listening():
        train(tiny_recipe, tiny_store, str(tmp_path / "moved"))
    for name in ("train/loss", "train/learning_rate", "val/eer", "epoch", "step"):
        assert column(str(tmp_path / "moved"), name) == pytest.approx(column(tiny_run, name), rel=1e-5), name
    undisturbed, resumed = (read_checkpoint(str(last_checkpoint(run))) for run in (tiny_run, f"{tmp_path}/moved"))
    for name, weights in undisturbed["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weights)


@pytest.mark.slow
def test_a_training_with_dropout_and_sampled_speakers_goes_on_within_an_epoch_to_the_same_bits(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sizes = {"num_mels": 80, "channels": 16, "epilog_channels": 24, "embedding_dim": 16}
    model = {"_target_": "avis.models.titanet.TitaNet", "dropout": 0.3, **sizes}
    of_chance = tiny_recipe.changed({"model": model, "loss.sample_rate": 0.5})
    train(of_chance, tiny_store, str(tmp_path / "undisturbed"))
    monkeypatch.setattr(saving, "CHECK_S", 0.0)
    with monkeypatch.context() as patch, STOPPING.listening():
        patch.setattr(engine, "local_batches", told_to_stop_after(2))
        with pytest.raises(KeyboardInterrupt):
            train(of_chance, tiny_store, str(tmp_path / "resumed"))
    torch.rand(7)  # whatever else draws in this process
    with STOPPING.listening():
        train(of_chance, tiny_store, str(tmp_path / "resumed"))
    for name in ("train/loss", "train/accuracy", "val/eer", "step"):
        assert column(str(tmp_path / "resumed"), name) == column(str(tmp_path / "undisturbed"), name), name
    undisturbed, resumed = (
        read_checkpoint(str(last_checkpoint(f"{tmp_path}/{run}"))) for run in ("undisturbed", "resumed")
    )
    assert resumed["history"] == undisturbed["history"]
    for name, weights in undisturbed["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weights), name


def test_a_training_that_diverges_ends_with_its_step_in_the_log_and_leaves_no_checkpoint(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    local_batches = engine.local_batches

    def spoilt(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, batch in enumerate(local_batches(*args, **kwargs)):
            if number == 2:
                batch["features"][0] = torch.inf
            yield batch

    monkeypatch.setattr(engine, "local_batches", spoilt)
    with pytest.raises(
        ValueError, match=r"training diverged: got loss=nan, .*At epoch 0, step 2\. Lower optimizer\.lr"
    ):
        train(tiny_recipe, tiny_store, str(tmp_path))
    assert [math.isnan(loss) for loss in column(str(tmp_path), "train/loss")] == [False, False, True, True]
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.slow
def test_bfloat16_with_fused_clipped_steps_comes_near_to_float32(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    train(tiny_recipe.changed({"trainer.precision": "bf16-mixed"}), tiny_store, str(tmp_path))
    losses, exact = column(str(tmp_path), "train/loss"), column(tiny_run, "train/loss")
    assert np.mean(losses) == pytest.approx(np.mean(exact), rel=0.1)  # single ones part: few channels, large steps
    assert losses[0] == pytest.approx(exact[0], rel=0.02)
    assert losses[0] != exact[0]


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", "bf16-mixed"),
        pytest.param("cuda", "bf16-mixed", marks=pytest.mark.gpu),
        pytest.param("cuda", "16-mixed", marks=pytest.mark.gpu),
    ],
)
def test_held_out_utterances_are_embedded_in_the_training_s_precision(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, precision: str
):
    embed, seen = SpeakerVerifier.forward, set[tuple[bool, torch.dtype | None]]()

    def watched(module: SpeakerVerifier, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.add((module.training, torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None))
        return embed(module, inputs)

    monkeypatch.setattr(SpeakerVerifier, "forward", watched)
    changes = {"trainer.precision": precision, "trainer.num_epochs": 1, "compute.use_gpu": device == "cuda"}
    train(tiny_recipe.changed(changes), tiny_store, str(tmp_path))
    expected = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]
    assert seen == {(True, expected), (False, expected)}
    assert all(math.isfinite(loss) for loss in column(str(tmp_path), "train/loss"))


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), pytest.param("cuda", "nccl", marks=pytest.mark.gpu)])
def test_one_worker_that_exchanges_trains_as_one_that_does_not(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, device: str, backend: str
):
    recipe = tiny_recipe.changed({"trainer.num_epochs": 1, "compute.use_gpu": device == "cuda"})
    train(recipe, tiny_store, str(tmp_path / "alone"))
    run_dir = str(tmp_path / "exchanging")
    inputs = gather_inputs(recipe, tiny_store, 1, run_dir)
    with mock.patch.dict(os.environ):
        try:
            fit_on_worker(
                inputs,
                local_batches(inputs.examples),
                run_dir,
                rank=0,
                world_size=1,
                data_cpus=0,
                stop_asked=lambda: False,
                strategy=DDPStrategy(process_group_backend=backend, **exchange(recipe.trainer, num_workers=1)),
                plugins=[LightningEnvironment()],
                devices=1,
                accelerator=device,
            )
            assert dist.get_backend() == backend
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
    for name in ("train/loss", "val/eer"):
        expected = pytest.approx(column(str(tmp_path / "alone"), name), rel=1e-5 if device == "cpu" else 0.02)
        assert column(run_dir, name) == expected, name


@pytest.mark.slow
def test_gradients_of_three_workers_add_up_alike_in_the_first_step_of_a_start_and_in_later_ones(
    tiny_recipe: Recipe, tmp_path: Path
):
    work = (3, str(tmp_path), exchange(tiny_recipe.trainer, num_workers=3))
    torch.multiprocessing.spawn(steps_of_one_start_and_of_two, work, nprocs=3)
    at_one_go, with_a_break = torch.load(tmp_path / "weights.pt", weights_only=True)
    for name, weight in at_one_go.items():
        assert torch.equal(with_a_break[name], weight), name


@pytest.mark.parametrize(
    "device", [pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=pytest.mark.gpu)]
)
def test_a_compiled_model_trains_as_it_does_uncompiled(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, device: str
):
    losses = []
    for compiled in (False, True):
        run_dir = str(tmp_path / str(compiled))
        changes = {"trainer.compile": compiled, "trainer.precision": "bf16-mixed", "compute.use_gpu": device == "cuda"}
        checkpoint = train(tiny_recipe.changed(changes), tiny_store, run_dir)
        losses.append(column(run_dir, "train/loss"))
    assert np.mean(losses[1]) == pytest.approx(np.mean(losses[0]), rel=0.1)  # few channels, large steps
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.02)
    assert Checkpoint.open(checkpoint.uri).build_model()


@pytest.mark.slow
def test_an_epoch_that_is_worse_never_takes_the_place_of_the_best(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    """Not after a move, not where the best is of an epoch that is repeated, nor in a run that Lightning saved."""
    run_dir = str(shutil.copytree(tiny_run, tmp_path / "moved"))
    path = best_checkpoint(run_dir)
    for state in (
        {"Saving": {"val/eer": 0.0}},
        {"ModelCheckpoint{'monitor': 'val/eer', 'mode': 'min'}": {"best_model_score": torch.tensor(0.0)}},
    ):
        torch.save({**read_checkpoint(path), "callbacks": state, "epoch": 7}, path)
        shutil.copy(f"{tiny_run}/checkpoints/last-1.ckpt", str(last_checkpoint(run_dir)))
        assert next_position(run_dir) == (1, 0)
        train(tiny_recipe, tiny_store, run_dir)
        assert read_checkpoint(path)["epoch"] == 7
        assert next_position(run_dir) == (2, 0)


@pytest.mark.few(1)
@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "text"])
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(
    tiny_recipe: Recipe,
    tiny_store: str,
    tiny_run: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
):
    run_dir = str(shutil.copytree(tiny_run, tmp_path / "run"))
    last = Path(run_dir, "checkpoints", "last.ckpt")
    whole = last.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    last.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "flipped": bytes(flipped), "text": b"x"}[damage])
    before = last.with_name("last-1.ckpt")
    assert next_position(run_dir) == (1, 0)
    monkeypatch.setattr(engine, "_train_in_process", lambda *args, **more: None)
    train(tiny_recipe, tiny_store, run_dir)
    assert re.search(
        rf"warning: checkpoint damaged: .* goes on from the checkpoint before, {before}", capsys.readouterr().out
    )
    kept = before.read_bytes()
    files = CheckpointsAt(run_dir)
    files.save_checkpoint(files.load_checkpoint(last), "last")
    assert before.read_bytes() == kept, "the damaged one took the place of the whole one"
    assert next_position(run_dir) == (1, 0)
    for path in (last, before):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"run cannot go on: got no checkpoint .*start_from=.*best\.ckpt"):
        train(tiny_recipe, tiny_store, run_dir)


def test_a_last_checkpoint_that_cannot_be_reached_is_not_damaged(tiny_run: str, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_: object, **__: object) -> None:
        raise StorageError("503 SLOW_DOWN")

    for reader in ((torch, "load"), (zipfile, "ZipFile")):
        with monkeypatch.context() as patch:
            patch.setattr(*reader, unreachable)
            with pytest.raises(StorageError, match="503"):
                next_position(tiny_run)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses_and_another_seed_others(
    recipe: Callable[..., Recipe], tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    train(tiny_recipe.changed({"trainer.num_epochs": 1}), tiny_store, str(tmp_path / "same"))
    train(tiny_recipe.changed({"seed": 1}), tiny_store, str(tmp_path / "other"))
    first = column(tiny_run, "train/loss")
    # The schedule of a shorter training differs from the second step on.
    assert column(str(tmp_path / "same"), "train/loss")[0] == first[0]
    assert column(str(tmp_path / "other"), "train/loss")[0] != first[0]


def test_logs_that_cannot_be_copied_do_not_hide_what_ended_a_training(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("network is down")

    def train_a_little(*, ends_by: Exception | None = None) -> None:
        with local_logs("memory://run") as (folder, _):
            Path(folder, "metrics.csv").touch()
            if ends_by:
                raise ends_by

    monkeypatch.setattr(store, "write_file", refuse)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_a_little(ends_by=RuntimeError("out of memory"))
    with pytest.raises(OSError, match="network is down"):
        train_a_little()
