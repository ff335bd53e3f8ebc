"""Steps in portions: the same weights and losses as of the batch at once."""

from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from avis.lineage import Lineage
from avis.losses.aam_softmax import AamSoftmax
from avis.training.micro_batches import micro_batches, number_of_parts
from avis.training.module import SpeakerVerifier
from avis.training.schedules import MarginRamp, WarmupCosine

NUM_MELS, NUM_SPEAKERS, BATCH, STEPS = 5, 4, 7, 3


class Mean(nn.Module):
    """An embedding that no other example has a part in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(NUM_MELS, 3)

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(self.linear(features.mean(dim=1)))


def trained(micro_batch_size: int | None) -> SpeakerVerifier:
    torch.manual_seed(0)
    module = SpeakerVerifier(
        front_end=None,
        model=Mean(),
        loss=AamSoftmax(
            embedding_dim=3,
            num_speakers=NUM_SPEAKERS,
            scale=10.0,
            margin=0.2,
            num_subcenters=1,
            sample_rate=1.0,
            balance=0,
        ),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        learning_rate=WarmupCosine(warmup=0.2, final=0.1),
        margin=MarginRamp(start=0.2, end=0.6),
        mixup_alpha=0.0,
        num_epochs=1,
        steps_per_epoch=STEPS,
        recipe={"seed": 0},
        lineage=Lineage(),
        micro_batch_size=micro_batch_size,
    )
    generator = torch.Generator().manual_seed(1)
    batches = [
        {
            "features": torch.randn(BATCH, 10, NUM_MELS, generator=generator),
            "speaker": torch.randint(NUM_SPEAKERS, (BATCH,), generator=generator),
        }
        for _ in range(STEPS)
    ]
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return module


@pytest.mark.parametrize("size", [2, 3, 6, 7, 100])
def test_the_same_weights_and_losses_in_portions_of_any_size(size: int):
    whole, portions = trained(None), trained(size)
    torch.testing.assert_close(portions.state_dict(), whole.state_dict(), rtol=1e-5, atol=1e-6)
    losses = [[figures.loss for figures in each.take_figures()] for each in (portions, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert len(losses[0]) == STEPS


@pytest.mark.parametrize(("size", "sizes"), [(None, [7]), (7, [7]), (6, [4, 3]), (3, [3, 2, 2]), (2, [2, 2, 2, 1])])
def test_as_few_portions_as_will_do(size: int | None, sizes: list[int]):
    parts = micro_batches({"speaker": torch.arange(7)}, number_of_parts(7, size))
    assert [len(part["speaker"]) for part in parts] == sizes
    assert torch.cat([part["speaker"] for part in parts]).tolist() == list(range(7))
