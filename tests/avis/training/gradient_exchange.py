"""What the workers of a test run that exchange gradients: a module of few imports, since each of them starts anew."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

AT_ONE_GO, WITH_A_BREAK = [range(6)], [range(3), range(3, 6)]


def steps_of_one_start_and_of_two(rank: int, num_workers: int, folder: str, options: dict[str, Any]) -> None:
    """Take some steps at one go, then once more with a start in between; the first worker writes the weights of both.

    Parameters
    ----------
    options : dict
        Of DDP.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=num_workers)
    weights = []
    for starts in (AT_ONE_GO, WITH_A_BREAK):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(40, 300), nn.Tanh(), nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 7))
        for steps in starts:
            worker = DistributedDataParallel(model, **options)
            for step in steps:
                _descend(worker, torch.Generator().manual_seed(num_workers * step + rank))
        weights.append(model.state_dict())
    if rank == 0:
        torch.save(weights, Path(folder, "weights.pt"))
    dist.destroy_process_group()


def _descend(worker: DistributedDataParallel, generator: torch.Generator) -> None:
    worker(torch.randn(8, 40, generator=generator)).square().sum().backward()
    with torch.no_grad():
        for parameter in worker.parameters():
            parameter -= 1e-3 * parameter.grad
            parameter.grad = None
