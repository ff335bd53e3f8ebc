"""Activation checkpointing of every model with blocks."""

import copy

import pytest
import torch
from torch import nn

from avis.training.activation_checkpointing import checkpoint_activations


def step(model: nn.Module, inputs: tuple[torch.Tensor, ...], dtype: torch.dtype) -> tuple[torch.Tensor, int]:
    """Take one step's gradients; return the loss and how many bytes were saved for them, weights left out."""
    saved: dict[int, int] = {}
    weights = {parameter.data_ptr() for parameter in model.parameters()}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            embeddings = model(*inputs)
        loss = (embeddings.float() * torch.randn(embeddings.shape)).square().mean()
    torch.rand(3)  # moves the generator on, from where dropout would draw something else
    loss.backward()
    return loss, sum(saved.values())


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "masked"), [(torch.bfloat16, True), (torch.float32, False)])
def test_activation_checkpointing_changes_nothing_but_memory(narrow_with_blocks, dtype: torch.dtype, masked: bool):
    """Batch normalisation's statistics take one update, dropout draws the same again, names of weights stay."""
    plain, features = narrow_with_blocks.trained().train(), narrow_with_blocks.noise(4, 60)
    checkpointed = copy.deepcopy(plain)
    checkpoint_activations(checkpointed)
    num_frames = torch.tensor([1.0, 0.5, 0.8, 0.6]).mul(features.shape[1]).long()
    inputs = (features, num_frames) if masked else (features,)
    expected, num_bytes = step(plain, inputs, dtype)
    loss, fewer_bytes = step(checkpointed, inputs, dtype)
    exactly = {"rtol": 0.0, "atol": 0.0}
    torch.testing.assert_close(loss, expected, **exactly)
    torch.testing.assert_close(dict(checkpointed.state_dict()), dict(plain.state_dict()), **exactly)
    gradients, wanted = ({n: p.grad for n, p in model.named_parameters()} for model in (checkpointed, plain))
    torch.testing.assert_close(gradients, wanted, **exactly)
    assert fewer_bytes < 0.95 * num_bytes
