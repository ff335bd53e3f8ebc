"""Show a training's figures wherever they are to be seen beside its own files."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.loggers import Logger

import avis
from avis import location
from avis.checkpoints.components import TARGET
from avis.checkpoints.run_checkpoints import run_history
from avis.engine.recipe import Recipe
from avis.engine.workers.gauges import RUNNING, set_gauges
from avis.training.trackers import trackers
from avis.training.training_report import write_training_report


def watchers(recipe: Recipe, run_dir: str) -> list[Logger]:
    """Return the loggers of a run's tracker and of Ray's metrics, for the worker that logs."""
    others = trackers(recipe.logger, run_dir, output_dir=recipe.output_dir, recipe=recipe.plain)
    return [*others, TrainingGauges(run_name(run_dir))]


def run_name(run_dir: str) -> str:
    """Return the name of a run, by which its values are told from those of others on the cluster."""
    return os.path.basename(location.split_query(run_dir)[0])


@contextmanager
def shown_running(run_dir: str) -> Iterator[None]:
    """Export that a training within runs, for as long as it does, whatever becomes of its workers."""
    set_gauges({RUNNING: 1}, run=run_name(run_dir))
    try:
        yield
    finally:
        set_gauges({RUNNING: 0}, run=run_name(run_dir))


@contextmanager
def reported(recipe: Recipe, run_dir: str) -> Iterator[None]:
    """Leave the page about a training within that is stopped too, as far as it came, unless something hinders it."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            report_training(
                recipe, run_dir, history=run_history(run_dir), choice="so far the lowest of held-out speakers"
            )
        raise


def report_training(recipe: Recipe, run_dir: str, *, history: Sequence[Mapping[str, float]], choice: str) -> str:
    """Write the page about a run's training, and return where it is; see `avis.training.training_report`."""
    plain, trainer = recipe.plain, recipe.trainer
    facts = {
        "Run": run_dir,
        **{key.capitalize(): _class_name(plain[key]) for key in ("model", "loss", "optimizer")},
        "Batch": f"{trainer.batch_size} examples of {trainer.crop_s} s on all workers together",
        "Epochs": f"{trainer.num_epochs}, each of {trainer.passes_per_epoch} passes over every utterance",
        "Seed": str(recipe.seed),
        "AVIS": avis.__version__,
    }
    return write_training_report(run_dir, trainer, history=history, choice=choice, facts=facts)


def _class_name(node: Mapping[str, Any]) -> str:
    return str(node[TARGET]).rpartition(".")[2]


class TrainingGauges(Logger):
    """A Lightning logger that exports the last value of each figure; see `avis.engine.workers.gauges.DESCRIPTIONS`.

    Parameters
    ----------
    run : str
        Name of the run, by which its values are told from those of others on the cluster.
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run

    @property
    def name(self) -> str:
        """What it is called."""
        return "gauges"

    @property
    def version(self) -> str:
        """Whose figures it shows."""
        return self.run

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Show none."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Show what was logged at a step."""
        values = {f"avis_{name.replace('/', '_')}": value for name, value in metrics.items()}
        set_gauges({**values, "avis_train_step": float(step or 0)}, run=self.run)
