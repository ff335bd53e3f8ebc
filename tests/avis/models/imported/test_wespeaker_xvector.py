"""x-vectors of WeSpeaker and 3D-Speaker: the same embeddings, without the frames whose context is not whole."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.wespeaker_xvector import wespeaker_xvector

KERNELS = [(5, 1), (3, 2), (3, 3), (1, 1), (1, 1)]


class Frame(nn.Module):
    def __init__(self, before: int, after: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.conv_1d = nn.Conv1d(before, after, taps, dilation=dilation)
        self.bn = nn.BatchNorm1d(after, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv_1d(x).relu())


class Net(nn.Module):
    def __init__(self, *, segments: int) -> None:
        super().__init__()
        widths = [20, 8, 8, 8, 8, 12]
        for index, (taps, dilation) in enumerate(KERNELS):
            self.add_module(f"frame_{index + 1}", Frame(*widths[index : index + 2], taps, dilation))
        self.seg_1, self.segments = nn.Linear(24, 6), segments
        if segments == 2:
            self.seg_bn_1, self.seg_2 = nn.BatchNorm1d(6, affine=False), nn.Linear(6, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = features.mT
        for number in range(1, 6):
            x = getattr(self, f"frame_{number}")(x)
        first = self.seg_1(torch.cat([x.mean(dim=2), (x.var(dim=2) + 1e-8).sqrt()], dim=1))
        return self.seg_2(self.seg_bn_1(first.relu())) if self.segments == 2 else first


@pytest.mark.parametrize("segments", [1, 2], ids=["3d_speaker", "wespeaker"])
def test_embeddings_are_the_same(segments: int, settled: Callable, largest_difference: Callable):
    reference = settled(Net(segments=segments))
    imported = wespeaker_xvector(reference.state_dict() | {"projection.weight": torch.zeros(11, 6)})
    assert imported.sizes["num_segment_layers"] == segments
    assert largest_difference(imported, reference) < 1e-5


@pytest.mark.parametrize(("source", "segments"), [("3d_speaker_xvector", 1), ("wespeaker_xvector", 2)])
def test_the_file_is_imported_with_its_features(
    source: str, segments: int, settled: Callable, difference_as_imported: Callable
):
    reference = settled(Net(segments=segments))
    saved = reference.state_dict() | {"projection.weight": torch.zeros(11, 6)}
    assert difference_as_imported(source, saved, reference, "features.front_end.dim=20") < 1e-4


def test_normalisations_with_scale_and_offset_keep_them(settled: Callable, largest_difference: Callable):
    reference = Net(segments=2)
    reference.seg_bn_1 = nn.BatchNorm1d(6)
    reference = settled(reference)
    assert largest_difference(wespeaker_xvector(reference.state_dict()), reference) < 1e-5


@torch.inference_mode()
def test_a_padded_utterance_is_embedded_as_alone(settled: Callable):
    """Also below the 15 frames of a whole context, where WeSpeaker has no embedding."""
    model = wespeaker_xvector(settled(Net(segments=2)).state_dict()).build()
    features = torch.randn(5, 40, 20, generator=torch.Generator().manual_seed(2))
    num_frames = torch.tensor([40, 16, 15, 6, 1])
    together = model(features, num_frames)
    for index, frames in enumerate(num_frames):
        alone = model(features[index : index + 1, :frames])
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-4, atol=1e-5)
    assert together.isfinite().all()


def test_a_pooling_with_weights_is_refused():
    weights = Net(segments=2).state_dict() | {"pool.linear1.weight": torch.zeros(7, 12, 1)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as pool\.linear1\.weight"):
        wespeaker_xvector(weights)
