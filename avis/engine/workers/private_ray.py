"""Start a Ray of this run's own, with what the machine grants and apart from any other Ray."""

import logging
import os
import secrets
import sys
from typing import Any

import ray

from avis.engine.workers import machine
from avis.engine.workers.process_setup import RUNTIME_ENV

OF_ANOTHER = (
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "RAY_AUTH_",
    "RAY_CLOUD_INSTANCE_ID",
    "RAY_CLUSTER_",
    "RAY_DASHBOARD_",
    "RAY_ENABLE_AUTO_CONNECT",
    "RAY_GCS_",
    "RAY_HEAD_",
    "RAY_JOB_",
    "RAY_KUBERAY_",
    "RAY_NAMESPACE",
    "RAY_NODE_",
    "RAY_OVERRIDE_",
    "RAY_RAYLET_",
    "RAY_REDIS_",
    "RAY_RUNTIME_ENV",
    "RAY_START_HOOK",
    "RAY_TLS_",
    "RAY_USE_TLS",
    "RAY_gcs_",
)
"""Beginnings of variables that say where another Ray is, how it is reached, or what a job of it is given."""

TOKEN = secrets.token_hex(32)
"""Of every private Ray of this process; a file in the home folder, as Ray would make, needs one that can be written."""

MAX_FOLDER_BYTES = 103 - len("/session_2026-01-31_23-59-59_123456_1234567/sockets/plasma_store")
"""A Unix socket's path has 103 bytes at most (Linux: 107)."""

SCRATCH = ("/tmp", "/var/tmp")
"""Tried after what the environment names."""

SESSIONS = ("ray", f"ray-{os.getuid()}")
"""Below the scratch folder; the second where another user's is in the way."""

STORE_SHARE, MAX_STORE_BYTES = 0.3, 200 * 10**9
"""Of the memory, for objects; both are Ray's own."""

LEAST_STORE_BYTES = 80 * 2**20
"""Ray refuses less than 75 MiB."""

ROOM_SHARE, ROOM_ON_DISK = 0.95, 0.5
"""Of the free room in shared memory or on a disk that the object store may take."""

WORTHWHILE_BYTES = 512 * 2**20
"""Of shared memory; with less the object store is better off on a disk."""

MORE_SHARED_MEMORY = "Give more: docker run --shm-size=8g, or in Kubernetes an emptyDir of medium Memory at /dev/shm."

LEAST_OPEN_FILES = 1024
THREADS_OF_RAY, THREADS_PER_CPU = 300, 50

STARTS = 2
"""Ray gives its parts 15 s, too little for one CPU that reads their code for the first time."""


def start(num_cpus: int) -> None:
    """Start it with so many logical CPUs.

    Raises
    ------
    ValueError
        If the machine grants too little, or Ray does not start for another reason.
    """
    check_limits(num_cpus)
    leave_other_rays()
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 leaves trainers little of a machine that is shared
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # 115 MiB that watch for nodes of a cloud
    sessions, spill = choose_folders()
    store_bytes, store_folder = place_object_store(sessions)
    settings: dict[str, Any] = {
        "num_cpus": num_cpus,
        "object_store_memory": store_bytes,
        "object_spilling_directory": spill,
        "_plasma_directory": store_folder,
        "_memory": machine.memory_bytes() - store_bytes if store_bytes else None,
        "_temp_dir": sessions,
    }
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                logging_level=logging.WARNING,
                runtime_env=RUNTIME_ENV,
                **settings,
            )
            return
        except Exception as error:
            if not left:
                message = str(error).strip().partition("\n")[0]
                raise ValueError(
                    f"Ray does not start: got {type(error).__name__} ({message}), expected one on this machine. At "
                    f"{sessions}/session_latest/logs. Mend what these say, or run without Ray: compute=debug."
                ) from error


def check_limits(num_cpus: int) -> None:
    """Refuse a start that would hang or crash for want of open files or threads.

    Raises
    ------
    ValueError
        If there are too few.
    """
    if (files := machine.open_files()) < LEAST_OPEN_FILES:
        raise ValueError(
            f"too few open files for Ray: got ulimit -n {files}, expected at least {LEAST_OPEN_FILES}. At the shell or "
            f"batch system. Raise it (ulimit -n, docker run --ulimit nofile), or run without Ray: compute=debug."
        )
    left, limit = machine.threads_left()
    if left < (needed := THREADS_OF_RAY + THREADS_PER_CPU * num_cpus):
        raise ValueError(
            f"too few threads for Ray: got {left} left of {limit}, expected at least {needed} for {num_cpus} logical "
            "CPUs. At the shell or batch system. Raise that limit, or run without Ray: compute=debug."
        )


def leave_other_rays() -> None:
    """Set aside what the environment says of another Ray, and take a token of our own."""
    for name in [name for name in os.environ if name.startswith(OF_ANOTHER)]:
        value = os.environ.pop(name)
        if name.endswith("_ADDRESS"):
            print(f"{name}={value} set aside: compute=local starts a Ray of its own, compute=cluster joins", flush=True)
    os.environ["RAY_AUTH_TOKEN"] = TOKEN
    os.environ.pop("OMP_NUM_THREADS", None)  # that of the whole job; Ray gives each worker as many as it has CPUs


def choose_folders() -> tuple[str, str]:
    """Return where Ray keeps its sockets and logs, and where objects go that find no room in memory.

    Both are in the scratch folder (``RAY_TMPDIR``, ``TMPDIR``, else the system's) unless its path is too long or odd
    for sockets.

    Raises
    ------
    ValueError
        If there is none, or none with a short path.
    """
    asked = [os.path.abspath(os.environ[name]) for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)]
    scratch = next((folder for folder in [*asked, *SCRATCH] if _can_write(folder)), None)
    in_scratch = [os.path.join(folder, name) for folder in (scratch, *SCRATCH) if folder for name in SESSIONS]
    sessions = next(
        (path for path in in_scratch if path.isascii() and len(path) <= MAX_FOLDER_BYTES and _make(path)), None
    )
    if not scratch or not sessions:
        raise ValueError(
            f"no scratch folder: got {', '.join([*asked, *SCRATCH])}, expected one that can be written to, with a path "
            f"of at most {MAX_FOLDER_BYTES - len(SESSIONS[1]) - 1} ASCII letters. At TMPDIR. Set it to such a folder."
        )
    if asked and asked[0] != scratch:
        print(f"scratch folder: {scratch}, since {asked[0]} cannot be written to", flush=True)
    if os.path.dirname(sessions) != scratch:
        print(
            f"sockets and logs of Ray: {sessions}, since those of sockets are short and ASCII, unlike {scratch}",
            flush=True,
        )
    return sessions, scratch


def _can_write(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _make(folder: str) -> bool:
    if not os.path.exists(folder) and _can_write(os.path.dirname(folder)):
        os.mkdir(folder)
    return _can_write(folder)


def place_object_store(disk: str) -> tuple[int | None, str | None]:
    """Return how large Ray's object store is and in which folder: shared memory, or ``disk`` if that is too small.

    Off Linux it is for Ray to say, and both are None.

    Raises
    ------
    ValueError
        If there is no room in either.
    """
    if sys.platform != "linux":
        return None, None
    wanted = max(LEAST_STORE_BYTES, min(int(STORE_SHARE * machine.memory_bytes()), MAX_STORE_BYTES))
    shared = int(ROOM_SHARE * machine.shared_memory_bytes())
    if shared >= wanted:
        return wanted, machine.SHARED_MEMORY
    folder, size = (machine.SHARED_MEMORY, shared) if shared >= WORTHWHILE_BYTES else (disk, wanted)
    if folder == disk:
        size = min(wanted, int(ROOM_ON_DISK * machine.free_bytes(disk)))
    if size < LEAST_STORE_BYTES:
        raise ValueError(
            f"no room for Ray's objects: got {shared >> 20} MiB in {machine.SHARED_MEMORY} and {size >> 20} MiB in "
            f"{disk}, expected at least {LEAST_STORE_BYTES >> 20} MiB. At TMPDIR. {MORE_SHARED_MEMORY}"
        )
    print(
        f"warning: {machine.SHARED_MEMORY} has room for {shared >> 20} of {wanted >> 20} MiB: Ray's objects have "
        f"{size >> 20} MiB in {folder}, which is slower. {MORE_SHARED_MEMORY}",
        flush=True,
    )
    return size, folder
