"""Set up a process, the driver's or a worker's: fit for odd surroundings, with messages that a user can act upon."""

import getpass
import io
import logging
import os
import sys
import warnings
from typing import Any

from avis.structured_log import LOG

QUIET = {
    "ray.data": logging.WARNING,
    "ray.data._internal.progress": logging.ERROR,
    # Warns every second where Ray has no dashboard to ask.
    "ray.train.v2._internal.execution.controller.placement_group_cleaner": logging.ERROR,
}

RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "SLURM_LOCALID", "NODE_RANK", "GROUP_RANK", "JSM_NAMESPACE_RANK")
OF_A_LAUNCHER = (
    *RANKS,
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "SLURM_NTASKS",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_USE_AGENT_STORE",
)
"""How srun and torchrun number processes, which Lightning and torch obey; here Ray starts and numbers the trainers."""

NO_HOME = "/nonexistent"
"""As of Debian's nobody. A scratch folder would be everybody's, with whatever settings others left there."""

RUNTIME_ENV: dict[str, Any] = {
    "worker_process_setup_hook": "avis.engine.workers.process_setup.setup_worker",
    "env_vars": {"RAY_DATA_LOG_LEVEL": "WARNING", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"},
}


def adapt() -> None:
    """Make up for what the surroundings lack: standard streams, letters on the console, a name, a home, a rank of 0.

    From then on standard streams are JSON, if the command line says so.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed; the first file that is opened would take its place
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    LOG.start_as_typed(sys.argv[1:])
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a uid that /etc/passwd does not know; torch names its caches by it
        os.environ["USER"] = f"uid-{os.getuid()}"
    if os.path.expanduser("~") == "~":  # nor is there a HOME; Ray Train asks for one on import
        os.environ["HOME"] = NO_HOME
    launched = leave_launcher()
    if rank := next((name for name in RANKS if launched.get(name, "0") != "0"), None):
        print(f"warning: {rank}={launched[rank]}: whoever starts AVIS several times gets as many runs", file=sys.stderr)


def leave_launcher() -> dict[str, str]:
    """Set aside how a launcher numbered this process; return that."""
    return {name: os.environ.pop(name) for name in OF_A_LAUNCHER if name in os.environ}


def setup() -> None:
    """Quieten the libraries."""
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    warnings.filterwarnings("ignore", module="lightning.pytorch.utilities._pytree")
    warnings.filterwarnings("ignore", "The `srun` command is available")  # for Lightning to start several processes


def limit_threads(most: int) -> None:
    """Let torch, where it is loaded, take no more threads: it knows of affinity, not of a quota."""
    torch = sys.modules.get("torch")
    if torch and torch.get_num_threads() > most:
        torch.set_num_threads(most)


def setup_worker() -> None:
    """Set up a process that Ray has started; called by Ray.

    Ray Train's own helpers look for a cluster as a user would, and would take any other on this host for theirs: not
    finding the training's controller there, they would end the training.
    """
    import ray

    setup()
    leave_launcher()  # of a node that srun has started
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP warns of looking for unused parameters, see `exchange`
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    os.environ.pop("RAY_API_SERVER_ADDRESS", None)
