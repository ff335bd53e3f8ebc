"""Set up Ray's worker processes: keep their messages to those that a user can do something about."""

import logging
import warnings
from typing import Any

QUIET = {
    "ray.data": logging.WARNING,
    "ray.data._internal.progress": logging.ERROR,
    # Warns every second where Ray has no dashboard to ask.
    "ray.train.v2._internal.execution.controller.placement_group_cleaner": logging.ERROR,
}

RUNTIME_ENV: dict[str, Any] = {
    "worker_process_setup_hook": "avis.engine.workers.process_setup.setup",
    "env_vars": {"RAY_DATA_LOG_LEVEL": "WARNING", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"},
}


def setup() -> None:
    """Quieten the libraries; called by Ray in every worker, and by the driver."""
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    warnings.filterwarnings("ignore", module="lightning.pytorch.utilities._pytree")
