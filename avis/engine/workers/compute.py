"""Say where a run takes place, and connect to Ray when a stage first needs it."""

import os
from dataclasses import dataclass
from typing import Literal

import ray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from avis.engine.workers import machine
from avis.engine.workers.console import WORKER_LINES
from avis.engine.workers.private_ray import start
from avis.engine.workers.process_setup import RUNTIME_ENV, limit_threads, setup
from avis.engine.workers.ray_log import MESSAGES
from avis.engine.workers.stopping import STOPPING, alone_told_of_time

CPUS_BESIDE_TRAINERS = 2
"""Logical ones, for those who feed the trainers; cores may be shared."""

BYTES_PER_WORKER = 2**30
"""Of memory, its share of the object store included."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and on how much a run takes place.

    Parameters
    ----------
    where : {"local", "debug", "cluster"}
        ``local`` starts a private Ray on this machine, ``debug`` runs everything in this one process (breakpoints
        work, no Ray), ``cluster`` attaches to the Ray cluster that the job was submitted to.
    num_workers : int, list of two ints or None
        Training processes; the fewest and the most of them, of which there are as many as the cluster has room for at
        any time; None takes one per GPU, or one where there is no GPU.
    use_gpu : bool or None
        Train and embed on GPUs; None uses them where there are some.
    data_cpus : int or None
        The most CPUs that a run takes at a time for anything but its training processes: decoding, examples, scoring;
        None leaves it all that there are. Processes that embed on GPUs have one each.
    max_restarts : int
        How often in turn a training whose worker died is restarted from its last checkpoint without getting further;
        nodes that were taken away do not count. What its code or data raise is not tried again.
    wait_minutes : float
        How long a training waits for room on a cluster, each time that it is started.
    """

    where: Literal["local", "debug", "cluster"]
    num_workers: PositiveInt | list[PositiveInt] | None
    use_gpu: bool | None
    data_cpus: PositiveInt | None = None
    max_restarts: NonNegativeInt
    wait_minutes: NonNegativeFloat = 30.0

    def __post_init__(self) -> None:
        bounds = self.num_workers
        if isinstance(bounds, list) and (len(bounds) != 2 or bounds[0] > bounds[1]):
            raise ValueError(
                f"no range of workers: got num_workers={bounds}, expected the fewest and the most: [2, 8]. At "
                "compute.num_workers. Correct it, or give one number."
            )

    @property
    def in_process(self) -> bool:
        """Whether everything runs in this one process, without Ray."""
        return self.where == "debug"

    def bounded(self, cpus: float) -> float:
        """Return how many of so many CPUs may be taken for anything but training processes."""
        return min(cpus, self.data_cpus or cpus)

    def connect(self) -> None:
        """Start or join Ray unless this process is connected already."""
        if self.in_process:
            setup()
            limit_threads(machine.cpus())
        if self.in_process or ray.is_initialized():
            return
        os.environ["RAY_TRAIN_ENABLE_PRINT_PATCH"] = "0"  # it prints every line of a trainer twice
        setup()
        MESSAGES.start()
        if self.where == "cluster":
            ray.init(address="auto", runtime_env=RUNTIME_ENV)
        else:
            granted = min(machine.cpus(), machine.memory_bytes() // BYTES_PER_WORKER)
            with alone_told_of_time():
                start(max(granted, max(1, self._asked()[1]) + CPUS_BESIDE_TRAINERS))
        WORKER_LINES.listen()
        STOPPING.listen()  # Ray has a handler of its own

    def num_gpus(self) -> int:
        """Return the GPUs that this run may use; on a cluster, those too that it asks for and waits for.

        Raises
        ------
        ValueError
            If GPUs were asked for and there are fewer than the run needs.
        """
        if self.use_gpu is False:
            return 0
        if self.in_process:
            import torch  # costs seconds, which workers that only decode audio need not spend

            available = torch.cuda.device_count()
        else:
            available = int(ray.cluster_resources().get("GPU", 0))
        needed = max(1, self._asked()[0])
        if self.where == "cluster" and self.use_gpu:
            return max(available, needed)
        if available < needed and (self.use_gpu or available):
            raise ValueError(
                f"GPU missing: got {available} GPUs, expected at least {needed}. At compute.use_gpu and "
                "compute.num_workers. Ask for fewer workers, take more GPUs, or set compute.use_gpu=false."
            )
        return available if available >= needed else 0

    def check_precision(self, precision: str) -> None:
        """Refuse float16 where there is no GPU: convolutions in float16 never end on some processors.

        Connects to Ray if ``precision`` is float16 and the run takes place there.

        Raises
        ------
        ValueError
            If it would run on CPUs.
        """
        if not precision.startswith("16"):
            return
        self.connect()
        if not self.num_gpus():
            raise ValueError(
                f"float16 needs a GPU: got precision={precision} on CPUs, expected auto, bf16-mixed or 32-true. "
                "At trainer.precision. Set trainer.precision=auto, which takes what there is."
            )

    def _asked(self) -> tuple[int, int]:
        """Return the fewest and the most training processes that are asked for, 0 if that is left open."""
        if isinstance(self.num_workers, list):
            return self.num_workers[0], self.num_workers[1]
        return self.num_workers or 0, self.num_workers or 0

    def num_train_workers(self) -> tuple[int, int]:
        """Return the fewest and the most training processes; connects to Ray if only that tells.

        Raises
        ------
        ValueError
            If there are fewer GPUs than are asked for, or it is a cluster and not said whether its GPUs are yet to
            come, and how many.
        """
        if self.in_process:
            return 1, 1
        is_open = self.use_gpu is None or (self.use_gpu and self.num_workers is None)
        if is_open:
            self.connect()
        if is_open and self.where == "cluster" and not ray.cluster_resources().get("GPU"):
            raise ValueError(
                f"no GPU in the cluster: got use_gpu={self.use_gpu} and num_workers={self.num_workers}, expected to be "
                "told what to wait for. At compute. Set compute.use_gpu=true compute.num_workers=<GPUs> "
                "to wait for nodes with GPUs, or compute.use_gpu=false to train on CPUs."
            )
        if self.num_workers:
            return self._asked()
        return (num := self.num_gpus() or 1), num
