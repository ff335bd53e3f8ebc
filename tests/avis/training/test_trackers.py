"""MLflow and Weights & Biases, for real but without a server: their database and their offline files."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from avis.training import logger_settings
from avis.training.logger_settings import Files, Mlflow, Wandb, tracker_variables
from avis.training.trackers import trackers

RECIPE = {"model": {"channels": 16}, "corpus": {"root": "s3://key:secret@bucket/audio"}, "output_dir": "outputs"}


@pytest.fixture
def output_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a folder for outputs, with no tracker's variable set."""
    for name in tracker_variables():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


def log_and_end(settings: Any, run_dir: str, output_dir: str, *, step: int, status: str = "success") -> Any:
    [logger] = trackers(settings, run_dir, output_dir=output_dir, recipe=RECIPE)
    logger.log_metrics({"train/loss": 10.0 - step}, step=step)
    logger.finalize(status)
    return logger


def test_files_need_no_tracker(output_dir: str):
    assert trackers(Files(), f"{output_dir}/runs/a", output_dir=output_dir, recipe=RECIPE) == []
    assert os.listdir(output_dir) == []


@pytest.mark.slow
def test_a_run_that_goes_on_is_one_run_at_mlflow_wherever_it_lies(output_dir: str):
    mlflow = pytest.importorskip("mlflow")
    settings = Mlflow(experiment="speech")
    log_and_end(settings, f"{output_dir}/runs/a", output_dir, step=0, status="failed")
    shutil.move(f"{output_dir}/runs/a", f"{output_dir}/runs/moved")
    log_and_end(settings, f"{output_dir}/runs/moved", output_dir, step=1)
    log_and_end(settings, f"{output_dir}/runs/b", output_dir, step=5)
    client = mlflow.MlflowClient(settings.tracking_uri(output_dir))
    experiment = client.get_experiment_by_name("speech")
    b, a = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert [(run.info.run_name, run.info.status) for run in (a, b)] == [("a", "FINISHED"), ("b", "FINISHED")]
    losses = [(metric.step, metric.value) for metric in client.get_metric_history(a.info.run_id, "train/loss")]
    assert losses == [(0, 10.0), (1, 9.0)]
    assert a.data.params == {"model.channels": "16", "output_dir": "outputs"}, "paths at hosts may hold keys"


@pytest.mark.slow
def test_a_server_that_is_gone_ends_no_training(output_dir: str, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    pytest.importorskip("mlflow")
    [logger] = trackers(Mlflow(experiment="e"), f"{output_dir}/runs/a", output_dir=output_dir, recipe={})
    os.unlink(f"{output_dir}/mlflow.db")
    os.mkdir(f"{output_dir}/mlflow.db")
    logger.log_metrics({"train/loss": 1.0}, step=0)
    logger.finalize("success")
    assert "warning: MLflow lacks the last figures" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_goes_on_is_one_run_at_wandb(output_dir: str, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run_dir = f"{output_dir}/runs/a"
    for step in (0, 1):
        log_and_end(Wandb(project="speech"), run_dir, output_dir, step=step)
    [identity] = {path.name.rpartition("-")[2] for path in Path(run_dir, "wandb").glob("offline-run-*")}
    assert identity == json.loads(Path(run_dir, "tracked.json").read_text())["id"]
    assert "secret" not in "".join(
        path.read_text(errors="ignore") for path in Path(run_dir, "wandb").rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(("settings", "name"), [(Mlflow(experiment="e"), "mlflow"), (Wandb(project="p"), "wandb")])
def test_a_missing_package_names_its_extra(settings: Any, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(ImportError, match=rf"package missing: got no {name}, .* pip install 'avis\[{name}\]'"):
        settings.check("outputs")


def test_wandb_needs_a_key_unless_it_is_offline(output_dir: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logger_settings, "_check_package", lambda name: None)
    monkeypatch.setenv("HOME", output_dir)
    settings = Wandb(project="speech")
    with pytest.raises(ValueError, match=r"no key for Weights & Biases: got no WANDB_API_KEY .* WANDB_MODE=offline"):
        settings.check(output_dir)
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_API_KEY", "0" * 40)):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            settings.check(output_dir)
    login = Path(output_dir, ".netrc")
    login.touch(mode=0o600)  # netrc reads no other
    login.write_text("machine api.wandb.ai login user password 0\n")
    settings.check(output_dir)


def test_mlflow_needs_a_server_or_a_local_folder(output_dir: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logger_settings, "_check_package", lambda name: None)
    settings = Mlflow(experiment="e")
    settings.check(output_dir)
    with pytest.raises(ValueError, match="no place for MLflow: got no MLFLOW_TRACKING_URI and output_dir=s3://speech"):
        settings.check("s3://speech")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:password@host")
    settings.check("s3://speech")
    assert settings.tracking_uri("s3://speech") == "https://user:password@host"
    assert tracker_variables() == {"MLFLOW_TRACKING_URI": "https://user:password@host"}
