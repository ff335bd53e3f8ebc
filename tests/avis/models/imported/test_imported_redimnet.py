"""ReDimNet of IDRnD and WeSpeaker, ReDimNet2 of WeSpeaker: the same embeddings."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.redimnet import redimnet, redimnet2

MELS, CHANNELS, GROUP = 12, 4, 2
VOLUME = MELS * CHANNELS
STAGES = [(1, 1, 1, None), (2, 2, 2, 4), (3, 1, 1, 6)]
"""Stride, blocks, expansion, reduction of the view along time."""


class Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        scaled = centred / ((centred**2).mean(dim=1, keepdim=True) + 1e-6).sqrt()
        wide = (-1, *(1,) * (x.ndim - 2))
        return scaled * self.weight.view(wide) + self.bias.view(wide)


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(1, 2)


class Image(nn.Module):
    def __init__(self, mels: int) -> None:
        super().__init__()
        self.mels = mels

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.mels, -1)).transpose(1, 2)


class Weigh(nn.Module):
    def __init__(self, num_maps: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, num_maps, VOLUME if num_maps > 1 else 1, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        return (self.w.softmax(dim=1) * torch.stack(maps, dim=1)).sum(dim=1)


class ConvNext(nn.Module):
    def __init__(self, channels: int, *, taps: int, group: int, dim: int) -> None:
        super().__init__()
        conv, norm = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d))[dim - 1]
        self.dwconvs = nn.ModuleList([conv(channels, channels, taps, padding="same", groups=channels // group)])
        self.norm, self.pwconv1 = norm(channels), conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pwconv1(functional.gelu(self.norm(self.dwconvs[0](x))))


class MelGates(nn.Module):
    def __init__(self, mels: int) -> None:
        super().__init__()
        self.squeeze, self.exitation = nn.Linear(mels, 32), nn.Linear(32, mels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.exitation(self.squeeze(x.mean(dim=(1, 3))).relu()).sigmoid()[:, None, :, None]


class Basic(nn.Module):
    def __init__(self, channels: int, mels: int | None, *, group: int = GROUP) -> None:
        super().__init__()
        for number in "12":
            grouped = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels // group, bias=False)
            self.add_module(f"conv{number}", grouped)
            self.add_module(f"conv{number}pw", nn.Conv2d(channels, channels, 1))
            self.add_module(f"bn{number}", nn.BatchNorm2d(channels))
        self.se = MelGates(mels) if mels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1pw(self.conv1(x)).relu())
        return (x + self.se(self.bn2(self.conv2pw(self.conv2(y))))).relu()


class Block(nn.Module):
    def __init__(self, conv_block: nn.Module) -> None:
        super().__init__()
        self.conv_block = conv_block

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_block(x)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            self.add_module(name, nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each(x).unflatten(2, (4, -1)).transpose(1, 2) for each in (self.q_proj, self.k_proj, self.v_proj))
        weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.out_proj((weights @ v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.intermediate_dense, self.output_dense = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.intermediate_dense(x)
        return self.output_dense(0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3))))


class Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.feed_forward = Attention(width), FeedForward(width)
        self.layer_norm, self.final_layer_norm = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x.mT + self.attention(x.mT))
        return self.final_layer_norm(x + self.feed_forward(x)).mT


class Context(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.red_dim_conv = nn.Sequential(nn.Conv1d(VOLUME, width, 1), Norm(width))
        convs = (ConvNext(width, taps=taps, group=1, dim=1) for taps in (7, 19, 31, 59))
        self.tcm, self.exp_dim_conv = nn.Sequential(*convs, Encoder(width)), nn.Conv1d(width, VOLUME, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.exp_dim_conv(self.tcm(self.red_dim_conv(x)))


class Backbone(nn.Module):
    """IDRnD's sums and reshapes are layers of its stages, WeSpeaker's are not."""

    def __init__(self, *, idrnd: bool, gated: bool) -> None:
        super().__init__()
        self.idrnd, channels, mels = idrnd, CHANNELS, MELS
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding="same"), Norm(channels))
        sums = [torch.zeros(1, 1, 1, 1), *(torch.zeros(1, number, VOLUME, 1) for number in (2, 3, 4))]
        if not idrnd:
            self.inputs_weights = nn.ParameterList(nn.Parameter(each) for each in sums)
        for index, (stride, depth, expansion, reduction) in enumerate(STAGES):
            layers: list[nn.Module] = [Weigh(index + 1), Image(mels)] if idrnd else []
            wide = channels * stride * expansion
            layers.append(nn.Conv2d(channels, wide, (stride, 1), (stride, 1)))
            channels, mels = channels * stride, mels // stride
            for _ in range(depth):
                layers.append(Block(Basic(wide, mels) if gated else ConvNext(wide, taps=3, group=GROUP, dim=2)))
            if expansion > 1:
                grouped = nn.Conv2d(wide, channels, 3, padding="same", groups=channels // GROUP)
                norm = nn.BatchNorm2d(channels, eps=1e-6)
                layers.append(nn.Sequential(grouped, norm, nn.GELU(), nn.Conv2d(channels, channels, 1)))
            layers.append(Flat())
            layers += [Context(VOLUME // reduction)] if reduction else []
            self.add_module(f"stage{index}", nn.Sequential(*layers))
        if idrnd:
            self.fin_wght1d = Weigh(len(STAGES) + 1)

    def weigh(self, maps: list[Tensor]) -> Tensor:
        weights = self.inputs_weights[len(maps) - 1].softmax(dim=1)
        return (weights * torch.stack(maps, dim=1)).sum(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        maps, mels = [Flat()(self.stem(x))], MELS
        for index, (stride, *_) in enumerate(STAGES):
            stage = getattr(self, f"stage{index}")
            maps.append(stage(maps) if self.idrnd else stage(Image(mels)(self.weigh(maps))))
            mels //= stride
        return self.fin_wght1d(maps) if self.idrnd else self.weigh(maps)


class Pool(nn.Module):
    def __init__(self, *, context: bool, channels: int = VOLUME) -> None:
        super().__init__()
        self.context = context
        self.linear1 = nn.Conv1d(channels * (3 if context else 1), 128, 1)
        self.linear2 = nn.Conv1d(128, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        if self.context:
            mean, deviation = x.mean(dim=2, keepdim=True), (x.var(dim=2, keepdim=True) + 1e-7).sqrt()
            seen += [mean.expand_as(x), deviation.expand_as(x)]
        weights = self.linear2(self.linear1(torch.cat(seen, dim=1)).tanh()).softmax(dim=2)
        mean = (weights * x).sum(dim=2)
        return torch.cat([mean, ((weights * x**2).sum(dim=2) - mean**2).clamp(min=1e-7).sqrt()], dim=1)


class Net(nn.Module):
    def __init__(self, *, idrnd: bool, gated: bool, context: bool) -> None:
        super().__init__()
        self.backbone, self.pool = Backbone(idrnd=idrnd, gated=gated), Pool(context=context)
        self.idrnd, last = idrnd, nn.Linear(2 * VOLUME, 6)
        if idrnd:
            self.bn, self.linear = nn.BatchNorm1d(2 * VOLUME), last
        else:
            self.seg_1 = last

    def forward(self, features: Tensor) -> Tensor:
        pooled = self.pool(self.backbone(features.mT[:, None]))
        return self.linear(self.bn(pooled)) if self.idrnd else self.seg_1(pooled)


def saved(model: nn.Module) -> dict[str, Tensor]:
    beside = {"spec.torchfbank.2.spectrogram.window": torch.zeros(400), "projection.weight": torch.zeros(11, 6)}
    return model.state_dict() | beside


@pytest.mark.few(1)
@pytest.mark.parametrize("idrnd", [True, False], ids=["idrnd", "wespeaker"])
@pytest.mark.parametrize(("gated", "context"), [(True, True), (False, False)], ids=["resnet", "convnext"])
def test_embeddings_are_the_same(
    idrnd: bool, gated: bool, context: bool, settled: Callable, largest_difference: Callable
):
    reference = settled(Net(idrnd=idrnd, gated=gated, context=context))
    imported = redimnet(saved(reference))
    assert imported.sizes == {
        "num_mels": MELS,
        "channels": CHANNELS,
        "stages": [[stride, depth, expansion, reduction or 0] for stride, depth, expansion, reduction in STAGES],
        "block": "gated_resnet" if gated else "convnext",
        "group_size": GROUP,
        "context": context,
        "embedding_dim": 6,
    }
    assert largest_difference(imported, reference) < 1e-4


def test_idrnds_first_layout_is_that_of_wespeaker_with_a_norm(settled: Callable, largest_difference: Callable):
    """Its ``redimnet.py``, before it was parted into files."""
    reference = settled(Net(idrnd=False, gated=False, context=True))
    reference.bn, reference.linear = settled(nn.BatchNorm1d(2 * VOLUME)), reference.seg_1
    reference.idrnd = True
    weights = {key: value for key, value in reference.state_dict().items() if not key.startswith("seg_1.")}
    assert largest_difference(redimnet(weights), reference) < 1e-4


@pytest.mark.few(1)
@pytest.mark.parametrize("source", ["idrnd_redimnet", "wespeaker_redimnet"])
def test_the_file_is_imported_with_its_features(source: str, settled: Callable, difference_as_imported: Callable):
    idrnd = source == "idrnd_redimnet"
    reference = settled(Net(idrnd=idrnd, gated=True, context=True))
    settings = {"block_2d_type": "basic_resnet_fwse", "stages_setup": [(1, 1, 1, [(3, 3)], None)], "feat_type": "pt"}
    beside = {"state_dict": saved(reference), "model_config": settings | {"spec_params": {"do_spec_aug": False}}}
    file = beside if idrnd else saved(reference)
    assert difference_as_imported(source, file, reference, f"features.front_end.dim={MELS}") < 1e-4


@pytest.mark.parametrize("key", ["backbone.mfa.0.weight", "backbone.stage1.6.tcm.0.conv.weight", "bn2.weight"])
def test_other_variants_are_refused(key: str):
    """A layer before the pooling, another view along time, and a norm after the embedding."""
    weights = saved(Net(idrnd=True, gated=False, context=True)) | {key: torch.zeros(1)}
    with pytest.raises(ValueError, match=f"another layout: got 1 such as {key}"):
        redimnet(weights)


@pytest.mark.parametrize("idrnd", [True, False], ids=["idrnd", "wespeaker"])
def test_a_part_of_the_norm_is_refused(idrnd: bool):
    """WeSpeaker has none at all, which must not be mistaken for one with a tensor missing."""
    weights = saved(Net(idrnd=idrnd, gated=False, context=True))
    weights |= {f"bn.{key}": value for key, value in nn.BatchNorm1d(2 * VOLUME).state_dict().items() if key != "weight"}
    del weights["bn.num_batches_tracked"]
    weights.pop("bn.weight", None)
    with pytest.raises(ValueError, match=r"weights are missing: got 1 such as pooling_norm\.weight"):
        redimnet(weights).build()


STAGES2 = [(1, 1, 1, 2, 4), (2, 2, 2, 1, 6), (3, 2, 1, 0.5, 4)]
"""Strides over mels and frames, blocks, expansion, reduction."""


class Backbone2(nn.Module):
    """WeSpeaker's ``ReDimNet2`` with ``compress_tconvs`` and ``return_2d_output``."""

    def __init__(self) -> None:
        super().__init__()
        channels, mels, frames = CHANNELS, MELS, 1
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding="same"), Norm(channels), Flat())
        for index, (stride, frame_stride, depth, expansion, reduction) in enumerate(STAGES2):
            frames *= frame_stride
            wide, size = int(stride * channels * expansion), (stride, frames)
            layers = [Weigh(index + 1), Image(mels)]
            layers.append(nn.Conv2d(channels, wide, size, size, groups=math.gcd(channels, wide)))
            channels, mels = channels * stride, mels // stride
            layers += [Block(Basic(wide, None, group=1)) for _ in range(depth)]
            if expansion != 1:
                layers.append(nn.Sequential(nn.Conv2d(wide, channels, 1), nn.BatchNorm2d(channels, eps=1e-6)))
            layers += [Flat(), Context(VOLUME // reduction), nn.Upsample(scale_factor=frames, mode="nearest")]
            self.add_module(f"stage{index}", nn.Sequential(*layers))
        self.fin_wght1d, self.fin_to2d, self.head = Weigh(len(STAGES2) + 1), Image(mels), nn.Conv2d(channels, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.stem(x[..., : x.shape[3] // 4 * 4])]
        for index in range(len(STAGES2)):
            maps.append(getattr(self, f"stage{index}")(maps))
        return self.head(self.fin_to2d(self.fin_wght1d(maps)))


class Net2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.pool = Backbone2(), Pool(context=True, channels=5 * 2)
        self.bn, self.linear = nn.BatchNorm1d(20), nn.Linear(20, 6)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.bn(self.pool(self.backbone(features.mT[:, None]).flatten(1, 2))))


def test_redimnet2_embeds_the_same(settled: Callable, largest_difference: Callable):
    reference = settled(Net2())
    imported = redimnet2(saved(reference) | {"frontend.spec.torchfbank.1.flipped_filter": torch.zeros(1, 1, 2)})
    assert imported.sizes == {
        "num_mels": MELS,
        "channels": CHANNELS,
        "stages": [list(stage) for stage in STAGES2],
        "head_channels": 5,
        "embedding_dim": 6,
    }
    assert largest_difference(imported, reference) < 1e-4


def test_redimnet2_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference = settled(Net2())
    mels = f"features.front_end.dim={MELS}"
    assert difference_as_imported("wespeaker_redimnet2", saved(reference), reference, mels) < 1e-4


@pytest.mark.parametrize("key", ["backbone.stage0.9.weight", "backbone.stem_gnorm.weight", "bn2.weight"])
def test_other_variants_of_redimnet2_are_refused(key: str):
    with pytest.raises(ValueError, match=f"another layout: got 1 such as {key}"):
        redimnet2(saved(Net2()) | {key: torch.zeros(1)})
    headless = {name: value for name, value in saved(Net2()).items() if "head" not in name}
    with pytest.raises(ValueError, match=r"weights are missing: got 1 such as head\.weight"):
        redimnet2(headless)
