"""What the tests of imported checkpoints share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.renaming import Imported

LENGTHS = (37, 260)
"""Frames of the utterances that are compared: below and above CAM++'s segments of 100, some of them cut short."""


@pytest.fixture(scope="session")
def settled() -> Callable[[nn.Module], nn.Module]:
    """Return what gives a model random weights and running statistics, as after a training, in evaluation mode."""

    def settle(model: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(0)
        for key, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            if key.endswith("running_var") or (value.ndim == 1 and key.endswith("weight")):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif value.ndim == 1:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
            else:
                value.copy_(torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5)
        return model.eval()

    return settle


@pytest.fixture(scope="session")
def largest_difference() -> Callable[[Imported, nn.Module], float]:
    """Return what compares embeddings of an imported model with those of the model it came from, relative to them."""

    @torch.inference_mode()
    def compare(imported: Imported, reference: nn.Module) -> float:
        model = imported.build()
        generator = torch.Generator().manual_seed(1)
        worst = 0.0
        for frames in LENGTHS:
            features = torch.randn(2, frames, imported.sizes["num_mels"], generator=generator)
            expected = _flat(reference(features))
            worst = max(worst, float((model(features) - expected).abs().max() / expected.abs().max()))
        return worst

    return compare


def _flat(embeddings: Tensor) -> Tensor:
    return embeddings.flatten(1)
