"""What makes a training step faster on the device at hand, beyond rounding without a change of what it computes."""

import torch
from torch import nn

from avis.models.synchronised_norm import synchronise
from avis.training.settings import Training

KEPT_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
"""Of a process that trains on a CPU, as it starts: glibc keeps a step's memory for the next, whichever thread takes it;
given back, the system would clear each page anew."""


def precision_at_hand(name: str, *, on_gpu: bool) -> str:
    """Return Lightning's word for a precision; ``auto`` is the fastest that this machine's GPU or CPU computes in.

    float16 is taken on GPUs that have no bfloat16 of their own, and bfloat16 on CPUs that have it (AMX, AVX-512 BF16).
    """
    if name != "auto":
        return name
    if on_gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    has = torch.cpu.get_capabilities()
    return "bf16-mixed" if has.get("amx_bf16") or has.get("avx512_bf16") else "32-true"


def prepare(module: nn.Module, model: nn.Module, settings: Training, *, on_gpu: bool) -> None:
    """Make a training's step ready: statistics of all workers, layout in memory, TF32 on GPUs, compiled if so set.

    Parameters
    ----------
    module : torch.nn.Module
        All that is trained.
    model : torch.nn.Module
        The embedding model in it.
    settings : Training
    on_gpu : bool
        Whether the training is on one. On CPUs torch 2.11 corrupts memory in the gradients of 1x1 convolutions that
        skip places of images with their channels last.
    """
    if settings.sync_batchnorm:
        synchronise(module)
    if on_gpu:
        torch.set_float32_matmul_precision("high")
        lay_out_images(model)
    if settings.compile:
        model.forward = torch.compile(model.forward)


def lay_out_images(model: nn.Module) -> None:
    """Lay a model that works on images out as GPUs take them faster: channels last."""
    if any(isinstance(part, nn.Conv2d) for part in model.modules()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
