"""What holds for the training of every model: gradients of all parameters, in low precision and in two processes."""

import copy
import itertools
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avis.models.blocks import SqueezeExcitation
from avis.training.activation_checkpointing import checkpoint_activations


@pytest.mark.few(18)
@pytest.mark.parametrize("level", [0.0, 1.0, 1e4], ids=["silent", "usual", "huge"])
def test_every_parameter_gets_a_finite_gradient(narrow, level: float):
    model = narrow.build()
    (model(level * narrow.noise(4, 60)) * torch.randn(4, 8)).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.few(8)
def test_every_parameter_moves_the_embeddings(narrow):
    """A layer that is built but not used would have a gradient of exactly zero, or none; gates are switched on."""
    model = narrow.build().double()
    for module in model.modules():
        if isinstance(module, SqueezeExcitation) and module.squeeze.bias is not None:
            nn.init.ones_(module.squeeze.bias)
    (model(narrow.noise(8, 60).double()) * torch.randn(8, 8)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad.abs().max() == 0] == []


@pytest.mark.few(12)
@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [("cpu", torch.bfloat16, 0.06), pytest.param("cuda", torch.float16, 0.01, marks=pytest.mark.gpu)],
)
def test_autocast_stays_close_to_float32(narrow, device: str, dtype: torch.dtype, tolerance: float):
    model, features = narrow.trained().to(device), narrow.noise(8, 100).to(device)
    exact = model(features)
    with torch.autocast(device, dtype=dtype):
        rough = model(features)
    (rough.float() * torch.randn_like(exact)).sum().backward()
    assert ((rough.float() - exact).norm(dim=1) / exact.norm(dim=1)).max() < tolerance
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.slow
def test_a_model_of_bfloat16_stays_close_to_float32(narrow):
    """What `trainer.precision=bf16-true` makes of it."""
    model, features = narrow.trained(), narrow.noise(8, 100)
    exact, rough = model(features), model.bfloat16()(features.bfloat16())
    (rough.float() * torch.randn_like(exact)).sum().backward()
    assert rough.dtype == torch.bfloat16
    assert ((rough.float() - exact).norm(dim=1) / exact.norm(dim=1)).max() < 0.1
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.few(8)
def test_masked_gradients_are_finite_in_bfloat16(narrow):
    model, features = narrow.build(), narrow.noise(4, 60)
    num_frames = torch.tensor([1, features.shape[1] // 2, features.shape[1] - 1, features.shape[1]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = model(features, num_frames)
    (embeddings.float() * torch.randn(4, 8)).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def gradients_of_half_a_batch(rank: int, every_narrow: list, file: str) -> None:
    """In one of two processes: hold the mean of both processes' gradients to those of the whole batch in one."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    for narrow, checkpointing in itertools.product(every_narrow, (False, True)):
        model = narrow.trained().double()
        features = narrow.noise(4, 60).double()
        num_frames = torch.tensor([1.0, 0.5, 0.8, 0.6]).mul(features.shape[1]).long()
        share = copy.deepcopy(model)
        if checkpointing and narrow.has_blocks:
            checkpoint_activations(share)
        parallel = DistributedDataParallel(share)
        half = slice(2 * rank, 2 * rank + 2)
        for _ in range(2):  # the second step finds out if the first left a parameter without its gradient
            parallel.zero_grad()
            parallel(features[half], num_frames[half]).square().mean().backward()
        model(features, num_frames).square().mean().backward()
        for (parameter_name, alone), shared in zip(model.named_parameters(), parallel.parameters(), strict=True):
            text = f"{narrow.name} {parameter_name}"
            torch.testing.assert_close(shared.grad, alone.grad, rtol=1e-6, atol=1e-9, msg=lambda m, t=text: f"{t}: {m}")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(every_narrow, tmp_path: Path):
    torch.multiprocessing.spawn(gradients_of_half_a_batch, (every_narrow, str(tmp_path / "rendezvous")), nprocs=2)
