"""What makes steps faster: chosen by what the machine has, and without another result."""

import copy
import os
import platform
import resource
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from avis.full_precision import full_precision
from avis.models.pooling import StatisticsPooling
from avis.models.resnet import ResNet
from avis.models.synchronised_norm import SynchronisedBatchNorm
from avis.training.faster_step import KEPT_MEMORY, precision_at_hand, prepare
from avis.training.settings import Training


@pytest.fixture(autouse=True)
def matmul_precision():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def settings(**changes: Any) -> Training:
    """Return settings of which only those that are changed matter here."""
    own = dict.fromkeys(Training.__dataclass_fields__, 1)
    own |= {"crop_s": 1.0, "sync_batchnorm": False, "compile": False, "average_epochs": 0}
    return Training(**(own | changes))


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return ResNet(
        num_mels=24, pooling=StatisticsPooling, channels=4, depths=[1, 1, 1, 1], bottleneck=False, embedding_dim=8
    )


def trained_on(model: nn.Module, features: torch.Tensor) -> dict[str, Any]:
    """Return embeddings, gradients and running statistics of a step."""
    embeddings = model(features)
    (
        embeddings * torch.linspace(-1, 1, embeddings.numel(), device=features.device).view_as(embeddings)
    ).sum().backward()
    gradients = {name: weight.grad.contiguous() for name, weight in model.named_parameters()}
    return {"embeddings": embeddings.detach(), "gradients": gradients, "statistics": dict(model.named_buffers())}


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"avx2": True}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_cpus_take_bfloat16_where_they_have_it(has: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert precision_at_hand("auto", on_gpu=False) == expected
    assert precision_at_hand("64-true", on_gpu=False) == "64-true"


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16-mixed"), (False, "16-mixed")])
def test_gpus_take_bfloat16_where_they_have_it(has: bool, expected: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has)
    assert precision_at_hand("auto", on_gpu=True) == expected


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_images_lie_channels_last_on_gpus_and_nothing_else_changes(device: str, monkeypatch: pytest.MonkeyPatch):
    plain, prepared, features = resnet().to(device), resnet().to(device), torch.randn(4, 40, 24, device=device)
    names = list(prepared.state_dict())
    prepare(prepared, prepared, settings(), on_gpu=device == "cuda")
    convolutions = [part for part in prepared.modules() if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1)]
    last = [part.weight.is_contiguous(memory_format=torch.channels_last) for part in convolutions[1:]]
    assert set(last) == {device == "cuda"}
    assert list(prepared.state_dict()) == names
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    with full_precision(torch.device(device)):
        torch.testing.assert_close(trained_on(prepared, features), trained_on(plain, features), rtol=1e-4, atol=1e-4)


def test_normalisation_is_synchronised_if_set():
    model = resnet()
    prepare(model, model, settings(sync_batchnorm=True), on_gpu=False)
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert {type(part) for part in norms} == {SynchronisedBatchNorm}


@pytest.mark.slow
def test_a_compiled_model_takes_the_same_step():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.BatchNorm1d(4))
    compiled, features = copy.deepcopy(plain), torch.randn(8, 6)
    prepare(compiled, compiled, settings(compile=True, sync_batchnorm=True), on_gpu=False)
    torch.testing.assert_close(trained_on(compiled, features), trained_on(plain, features), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.eval()(features[:2]), plain.eval()(features[:2]), rtol=1e-4, atol=1e-5)
    assert compiled.state_dict().keys() == plain.state_dict().keys()


TAKEN_AND_GIVEN_BACK = """
import ctypes, resource, threading

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages, of which one counts as one

def step():
    activations = [bytes([layer]) * 2**23 for layer in range(20)]

def step_in_a_thread():
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()

for first in (step, step_in_a_thread):
    first()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
step_in_a_thread()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("glibc" not in platform.libc_ver()[0], reason="these are variables of glibc")
def test_memory_that_a_step_gave_back_is_not_cleared_anew_in_any_thread():
    pages_of_an_array = 2**23 // resource.getpagesize()
    cleared = {
        kept: int(
            subprocess.run(
                [sys.executable, "-c", TAKEN_AND_GIVEN_BACK],
                env={**os.environ, **(KEPT_MEMORY if kept else {})},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for kept in (False, True)
    }
    assert cleared[True] < pages_of_an_array < cleared[False]
