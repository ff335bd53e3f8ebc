"""Log a training to MLflow or Weights & Biases: a run that goes on is the same run there."""

import os
import tempfile
import uuid
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from avis import location, store
from avis.checkpoints.components import leaves
from avis.run_folder import TRACKED
from avis.training.logger_settings import Files, Mlflow, Wandb

IDENTITY_TAG = "avis.run"
"""By which a run is found again at MLflow, which gives it an id of its own."""


def trackers(
    settings: Files | Mlflow | Wandb, run_dir: str, *, output_dir: str, recipe: Mapping[str, Any]
) -> list[Logger]:
    """Return the loggers of a run beside its files; to be called by the worker that logs alone.

    Parameters
    ----------
    settings : Files, Mlflow or Wandb
    run_dir : str
    output_dir : str
    recipe : mapping
        What was set, plain; kept with the run there, but for paths at hosts, which may hold keys.
    """
    name, parameters = os.path.basename(location.split_query(run_dir)[0]), _shown(recipe)
    if isinstance(settings, Mlflow):
        return [_mlflow(settings, name, identity(run_dir), settings.tracking_uri(output_dir), parameters)]
    if isinstance(settings, Wandb):
        return [_wandb(settings, name, identity(run_dir), run_dir, parameters)]
    return []


def identity(run_dir: str) -> str:
    """Return what a run is known by at trackers, the same wherever it lies by then."""
    path = location.join(run_dir, TRACKED)
    if not location.exists(path):
        store.write_json(path, {"id": uuid.uuid4().hex})
    return str(store.read_json(path)["id"])


def _shown(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in leaves(dict(recipe)).items() if "://" not in str(value)}


class _InBackground(MLFlowLogger):
    """MLflow's logger, which does not let the training wait, nor end because a server does not answer."""

    def finalize(self, status: str = "success") -> None:
        """Send what is left; called by the worker that logs alone."""
        if not self._initialized:
            return
        import mlflow

        try:
            mlflow.flush_async_logging()
            super().finalize(status)
        except Exception as error:  # of its many transports
            print(f"warning: MLflow lacks the last figures of the run: {error}", flush=True)


def _mlflow(settings: Mlflow, name: str, identity: str, uri: str, parameters: dict[str, Any]) -> Logger:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(settings.experiment)
    runs = experiment and client.search_runs([experiment.experiment_id], f"tags.`{IDENTITY_TAG}` = '{identity}'")
    logger = _InBackground(
        settings.experiment,
        name,
        uri,
        tags={IDENTITY_TAG: identity},
        run_id=runs[0].info.run_id if runs else None,
        synchronous=False,
    )
    assert logger.run_id is not None, "no run without an id"
    if runs:
        client.update_run(logger.run_id, status="RUNNING")
    else:
        logger.log_hyperparams(parameters)
    print(f"MLflow: run {logger.run_id} of experiment {settings.experiment}", flush=True)
    return logger


class _Finished(WandbLogger):
    """Weights & Biases' logger, which sends what is left before its process ends."""

    def finalize(self, status: str) -> None:
        """End its part of the run."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None


def _wandb(settings: Wandb, name: str, identity: str, run_dir: str, parameters: dict[str, Any]) -> Logger:
    import wandb

    folder = tempfile.gettempdir() if location.is_uri(run_dir) else run_dir
    os.makedirs(folder, exist_ok=True)
    quiet = wandb.Settings(console="off", disable_git=True, disable_code=True)
    logger = _Finished(name=name, project=settings.project, id=identity, save_dir=folder, settings=quiet)
    logger.log_hyperparams(parameters)
    print(f"Weights & Biases: {logger.experiment.url or logger.experiment.dir}", flush=True)
    return logger
