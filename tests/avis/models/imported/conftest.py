"""What the tests of imported checkpoints share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.engine.config import resolve
from avis.engine.trials.embedder import Embedder
from avis.models.imported.renaming import Imported
from tests.compositions import composed

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


@pytest.fixture
def difference_as_imported(tmp_path: Path) -> Callable[..., float]:
    """Return what imports a file as a user does: ``difference_as_imported("wespeaker_xvector", saved, reference)``.

    It compares a waveform's embedding, as scoring makes it, with that of the model it came from on the same features.
    """

    @torch.inference_mode()
    def compare(source: str, saved: Mapping[str, Any], reference: nn.Module, *overrides: str) -> float:
        torch.save(saved, tmp_path / "theirs.pt")
        paths = [f"weights={tmp_path}/theirs.pt", f"checkpoint={tmp_path}/imported.ckpt"]
        recipe = resolve(composed("import_checkpoint", f"source={source}", *paths, *overrides))
        import_checkpoint(recipe["weights"], recipe["checkpoint"], source=Component(recipe["source"]), recipe=recipe)
        checkpoint = Checkpoint.open(recipe["checkpoint"])
        embedder = Embedder(lambda: checkpoint, copies=0, banks=dict, use_gpu=False)
        features = embedder.front_end(torch.randn(1, 24000, generator=torch.Generator().manual_seed(1)) / 10)
        [embedding] = embedder.embed(list(features))
        expected = reference(features.squeeze(2))
        return float((torch.from_numpy(embedding) - expected).abs().max() / expected.abs().max())

    return compare


def _flat(embeddings: Tensor) -> Tensor:
    return embeddings.flatten(1)
