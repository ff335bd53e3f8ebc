"""Operations against sums by hand and the figures that are published with the models."""

from collections.abc import Callable

import pytest
from torch import nn

from avis.models.cost import cost
from avis.models.pooling import StatisticsPooling
from avis.models.resnet import ResNet

WESPEAKER = "wenet-e2e/wespeaker, examples/voxceleb/v2/README.md"
PUBLISHED_GMAC = [
    ("ecapa_512", 80, 200, 1.04, WESPEAKER),
    ("resnet34", 80, 200, 4.55, WESPEAKER),
    ("resnet293", 80, 200, 28.10, WESPEAKER),
    ("campplus", 80, 200, 1.15, WESPEAKER),
    ("res2net34", 80, 200, 1.77, WESPEAKER),
    ("gemini_df_resnet114", 80, 200, 5.42, WESPEAKER),
    ("eres2net_v2", 80, 300, 12.69, "modelscope/3D-Speaker, speakerlab/models/eres2net/ERes2NetV2.py"),
    ("redimnet_b0", 60, 134, 0.43, "IDRnD/ReDimNet, EVALUATION.md, 2 s in steps of 15 ms"),
    ("redimnet_b6", 72, 134, 20.27, "IDRnD/ReDimNet, EVALUATION.md, 2 s in steps of 15 ms"),
    ("redimnet2_b2", 72, 200, 0.95, "PalabraAI/redimnet2, README.md"),
    ("redimnet2_b3", 72, 200, 2.70, "PalabraAI/redimnet2, README.md"),
    ("redimnet2_b4", 72, 200, 4.62, "PalabraAI/redimnet2, README.md"),
    ("redimnet2_b5", 72, 200, 9.62, "PalabraAI/redimnet2, README.md"),
    ("redimnet2_b6", 72, 200, 13.05, "PalabraAI/redimnet2, README.md"),
]
"""Choice of ``configs/model``, mels, frames, billions of multiply-accumulates, and where the figure is from."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "num_mels", "num_frames", "published", "source"), PUBLISHED_GMAC, ids=lambda value: str(value)[:20]
)
def test_operations_are_the_published_ones(
    build_choice: Callable[..., nn.Module], choice: str, num_mels: int, num_frames: int, published: float, source: str
):
    """Which count element-wise operations too: up to a tenth more."""
    flops = cost(build_choice(choice, num_mels=num_mels), num_frames=num_frames, dim=num_mels).flops
    assert 0.9 * published < flops / 2e9 < published, source


def test_a_resnet_counted_by_hand():
    """Two operations per weight and place of a convolution's output: 8 mels and 16 frames, halved three times."""
    model = ResNet(
        num_mels=8, pooling=StatisticsPooling, channels=2, depths=[1, 1, 1, 1], bottleneck=False, embedding_dim=3
    )
    places, total, before = 8 * 16, 8 * 16 * 9 * 2, 2
    for stage in range(4):
        c = 2 * 2**stage
        places //= 4 if stage else 1
        total += places * (9 * before * c + 9 * c * c + (before * c if stage else 0))
        before = c
    assert cost(model, num_frames=16, dim=8) == (sum(p.numel() for p in model.parameters()), 2 * (total + 32 * 3))
