"""Where the figures of a training go, beside TensorBoard's and CSV files in the run's folder.

Where a tracker is and by which key it is reached is said by its own environment variables, never in a recipe, which
checkpoints carry to others.
"""

import importlib.util
import netrc
import os
from dataclasses import dataclass

from avis import location

TRACKING_URI = "MLFLOW_TRACKING_URI"
OF_TRACKERS = ("MLFLOW_", "WANDB_", "DATABRICKS_")
"""Beginnings of the variables that trackers go by."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """No tracker: the files are all there is."""

    def check(self, output_dir: str) -> None:
        """Refuse nothing."""


@dataclass(frozen=True, kw_only=True)
class Mlflow:
    """MLflow, at ``MLFLOW_TRACKING_URI``; without it in a database below ``output_dir``.

    Parameters
    ----------
    experiment : str
        Name of the experiment that the run belongs to.
    """

    experiment: str

    def check(self, output_dir: str) -> None:
        """Refuse it where it cannot work.

        Raises
        ------
        ImportError
            If its package is missing.
        ValueError
            If it has no place to log to.
        """
        _check_package("mlflow")
        if not os.environ.get(TRACKING_URI) and location.is_uri(output_dir):
            raise ValueError(
                f"no place for MLflow: got no {TRACKING_URI} and output_dir={output_dir}, expected a server, or a "
                f"local folder for its database. At logger=mlflow. Set {TRACKING_URI}."
            )

    def tracking_uri(self, output_dir: str) -> str:
        """Return where it logs to."""
        return os.environ.get(TRACKING_URI) or f"sqlite:///{location.join(output_dir, 'mlflow.db')}"


@dataclass(frozen=True, kw_only=True)
class Wandb:
    """Weights & Biases, by ``WANDB_API_KEY``; with ``WANDB_MODE=offline`` in the run's folder.

    Parameters
    ----------
    project : str
        Name of the project that the run belongs to.
    """

    project: str

    def check(self, output_dir: str) -> None:
        """Refuse it where it cannot work.

        Raises
        ------
        ImportError
            If its package is missing.
        ValueError
            If it has no key to log with.
        """
        _check_package("wandb")
        if os.environ.get("WANDB_MODE", "online") in ("online", "shared") and not (
            os.environ.get("WANDB_API_KEY") or _is_logged_in()
        ):
            raise ValueError(
                "no key for Weights & Biases: got no WANDB_API_KEY and no login of this user, expected one. At "
                "logger=wandb. Set WANDB_API_KEY, or WANDB_MODE=offline."
            )


def _is_logged_in() -> bool:
    """Return whether ``wandb login`` has left a key."""
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def _check_package(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise ImportError(
            f"package missing: got no {name}, expected it for logger={name}. At logger. Run pip install "
            f"'avis[{name}]' on every node, or leave logger=files."
        )


def tracker_variables() -> dict[str, str]:
    """Return the variables of this process that trackers go by, for processes on other machines."""
    return {name: value for name, value in os.environ.items() if name.startswith(OF_TRACKERS)}
