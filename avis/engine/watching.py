"""Show a training's figures wherever they are to be seen beside its own files."""

import os
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger

from avis import location
from avis.engine.recipe import Recipe
from avis.engine.workers.gauges import set_gauges
from avis.training.trackers import trackers


def watchers(recipe: Recipe, run_dir: str) -> list[Logger]:
    """Return the loggers of a run's tracker and of Ray's metrics, for the worker that logs."""
    others = trackers(recipe.logger, run_dir, output_dir=recipe.output_dir, recipe=recipe.plain)
    return [*others, TrainingGauges(os.path.basename(location.split_query(run_dir)[0]))]


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
