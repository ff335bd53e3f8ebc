"""What holds for every model: published sizes, one embedding per utterance whatever its batch and length, training."""

import copy
import itertools
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avis.models.adapter_mfa import AdapterMfa
from avis.models.blocks import SqueezeExcitation
from avis.models.campplus import CamPlusPlus
from avis.models.df_resnet import GeminiDfResNet
from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.eres2net import ERes2Net
from avis.models.mfa_conformer import MfaConformer
from avis.models.mhfa import Mhfa
from avis.models.pooling import AttentiveStatisticsPooling, StatisticsPooling
from avis.models.posterior_pooling import PosteriorPooling
from avis.models.rawnet3 import RawNet3
from avis.models.redimnet import ReDimNet
from avis.models.redimnet2 import ReDimNet2
from avis.models.res2net import Res2Net
from avis.models.resnet import ResNet
from avis.models.resnet_preact import PreActResNet
from avis.models.resnet_se import ResNetSe34L, ResNetSe34V2
from avis.models.resnet_simam import SimAmResNet
from avis.models.ska_tdnn import SkaTdnn
from avis.models.titanet import TitaNet
from avis.models.xvector import XVector
from avis.training.activation_checkpointing import checkpoint_activations

WESPEAKER = "wenet-e2e/wespeaker, examples/voxceleb/v2/README.md"
D_SPEAKER = "modelscope/3D-Speaker, egs/voxceleb/README.md"
GEMINI = "Liu et al., 2024, as cited in IDRnD/ReDimNet, EVALUATION.md"
REDIMNET = "wenet-e2e/wespeaker, wespeaker/models/redimnet.py, beside the paper's 2.2, 3.0, 6.3 and 9.2"
PUBLISHED = [
    ("ecapa_512", 80, "6.2", "Desplanques et al., 2020, Table 1"),
    ("ecapa_512", 80, "6.19", WESPEAKER),
    ("ecapa_1024", 80, "14.7", "Desplanques et al., 2020, Table 1"),
    ("ecapa_1024", 80, "14.65", WESPEAKER),
    ("ecapa_1024_wide", 80, "20.761", f"{WESPEAKER} at 04d2226"),
    ("ecapa_1024_wide", 80, "20.8", D_SPEAKER),
    ("xvector", 80, "4.34", D_SPEAKER),
    ("wespeaker_xvector", 80, "4.61", WESPEAKER),
    ("resnet34", 80, "6.63", WESPEAKER),
    ("resnet221", 80, "23.79", WESPEAKER),
    ("resnet293", 80, "28.62", WESPEAKER),
    ("campplus", 80, "7.18", WESPEAKER),
    ("campplus", 80, "7.2", "modelscope/3D-Speaker, egs/voxceleb/sv-cam++/README.md"),
    ("resnet_se34_l", 40, "1.4", "Heo et al., 2020, https://arxiv.org/abs/2009.14153 (Q / SAP)"),
    ("resnet_se34_v2", 64, "8.0", "Heo et al., 2020, https://arxiv.org/abs/2009.14153 (H / ASP)"),
    ("simam_resnet34", 80, "25.2", WESPEAKER),
    ("simam_resnet100", 80, "50.2", WESPEAKER),
    ("res2net34", 80, "4.03", D_SPEAKER),
    ("eres2net_base", 80, "6.61", D_SPEAKER),
    ("eres2net_large", 80, "22.46", D_SPEAKER),
    ("eres2net_v2", 80, "17.8", "modelscope/3D-Speaker, egs/voxceleb/sv-eres2netv2/README.md"),
    ("gemini_df_resnet114", 80, "6.53", WESPEAKER),
    ("gemini_df_resnet114", 80, "6.5", GEMINI),
    ("gemini_df_resnet183", 80, "9.2", GEMINI),
    ("redimnet_b0", 60, "1.0", "IDRnD/ReDimNet, EVALUATION.md"),
    ("redimnet_b1", 72, "2.1", REDIMNET),
    ("redimnet_b3", 72, "3.2", REDIMNET),
    ("redimnet_b4", 72, "6.4", REDIMNET),
    ("redimnet_b5", 72, "7.65", REDIMNET),
    ("redimnet_b6", 72, "15.0", "IDRnD/ReDimNet, EVALUATION.md"),
    ("adapter_mfa", 25 * 1024, "6.2", "ZXHY-82/w2v-BERT-2.0_SV, README.md"),
    ("mhfa", 13 * 768, "2", "JunyiPeng00/Wespeaker_SSL, examples/voxceleb/v2/README.md"),
]
"""Choice of ``configs/model``, mels, millions of parameters as they are printed, and where."""

NUM_MELS = 24
NARROW: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "adapter_mfa": (AdapterMfa, {"num_layers": 4, "adapter_channels": 5, "embedding_dim": 8}),
    "mhfa": (Mhfa, {"num_layers": 4, "num_heads": 3, "channels": 5, "embedding_dim": 8}),
    "ecapa_tdnn": (
        EcapaTdnn,
        {
            "channels": 16,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "pooling": partial(AttentiveStatisticsPooling, attention_channels=8),
            "se_channels": 8,
            "scale": 4,
            "stride": 1,
        },
    ),
    "rawnet3": (
        RawNet3,
        {
            "sample_rate": 16000,
            "channels": 32,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "attention_channels": 8,
            "scale": 4,
        },
    ),
    "resnet": (
        ResNet,
        {"pooling": StatisticsPooling, "channels": 4, "depths": [1, 1, 1, 1], "bottleneck": False, "embedding_dim": 8},
    ),
    "resnet_bottleneck": (
        ResNet,
        {"pooling": StatisticsPooling, "channels": 4, "depths": [1, 2, 1, 1], "bottleneck": True, "embedding_dim": 8},
    ),
    "resnet_se34_l": (ResNetSe34L, {"channels": 8, "embedding_dim": 8}),
    "resnet_se34_v2": (ResNetSe34V2, {"channels": 8, "embedding_dim": 8}),
    "preact_resnet": (PreActResNet, {"channels": [4, 4, 8, 8], "depths": [1, 2, 1, 1], "embedding_dim": 8}),
    "simam_resnet": (SimAmResNet, {"channels": 4, "depths": [1, 1, 1, 1], "embedding_dim": 8}),
    "res2net": (
        Res2Net,
        {"channels": 8, "depths": [1, 2, 1, 1], "base_width": 32, "scale": 4, "embedding_dim": 8},
    ),
    "eres2net": (
        ERes2Net,
        {
            "channels": 8,
            "depths": [1, 2, 1, 1],
            "base_width": 32,
            "scale": 2,
            "num_fused_stages": 4,
            "embedding_dim": 8,
        },
    ),
    "eres2net_v2": (
        ERes2Net,
        {
            "channels": 8,
            "depths": [1, 1, 1, 1],
            "base_width": 26,
            "scale": 2,
            "num_fused_stages": 2,
            "embedding_dim": 8,
        },
    ),
    "gemini_df_resnet": (GeminiDfResNet, {"channels": 4, "depths": [1, 2, 1, 1], "embedding_dim": 8}),
    "redimnet": (
        ReDimNet,
        {
            "channels": 8,
            "stages": [[1, 1, 1, 0], [2, 1, 2, 8], [3, 1, 1, 8]],
            "block": "gated_resnet",
            "group_size": 4,
            "context": True,
            "embedding_dim": 8,
        },
    ),
    "redimnet_convnext": (
        ReDimNet,
        {
            "channels": 4,
            "stages": [[1, 1, 2, 12], [2, 2, 1, 0]],
            "block": "convnext",
            "group_size": 1,
            "context": False,
            "embedding_dim": 8,
        },
    ),
    "redimnet2": (
        ReDimNet2,
        {
            "channels": 8,
            "stages": [[1, 1, 1, 2, 8], [2, 2, 1, 1, 8], [3, 2, 1, 0.5, 8]],
            "head_channels": 5,
            "embedding_dim": 8,
        },
    ),
    "campplus": (CamPlusPlus, {"head_channels": 2, "channels": 16, "growth": 4, "embedding_dim": 8}),
    "mfa_conformer": (
        MfaConformer,
        {
            "channels": 8,
            "num_blocks": 2,
            "num_heads": 2,
            "hidden_channels": 16,
            "kernel_size": 5,
            "dropout": 0.1,
            "embedding_dim": 8,
        },
    ),
    "ska_tdnn": (
        SkaTdnn,
        {
            "front_channels": 2,
            "channels": 16,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "attention_channels": 8,
            "se_channels": 8,
            "scale": 4,
        },
    ),
    "titanet": (TitaNet, {"channels": 16, "epilog_channels": 24, "dropout": 0.1, "embedding_dim": 8}),
    "xvector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": StatisticsPooling,
            "num_segment_layers": 1,
            "embedding_dim": 8,
        },
    ),
    "wespeaker_xvector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": StatisticsPooling,
            "num_segment_layers": 2,
            "embedding_dim": 8,
            "reading": "wespeaker",
        },
    ),
    "xi_vector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": partial(PosteriorPooling, hidden_channels=8),
            "num_segment_layers": 2,
            "embedding_dim": 8,
        },
    ),
}
SHIFTS = [
    ("adapter_mfa", 1, 60),
    ("mhfa", 1, 60),
    ("ecapa_tdnn", 1, 400),
    ("resnet", 8, 400),
    ("resnet_bottleneck", 8, 400),
    ("resnet_se34_l", 4, 800),
    ("resnet_se34_v2", 8, 1600),
    ("preact_resnet", 8, 800),
    ("simam_resnet", 8, 400),
    ("res2net", 8, 800),
    ("eres2net", 8, 800),
    ("eres2net_v2", 8, 800),
    ("gemini_df_resnet", 2, 400),
    ("redimnet", 1, 800),
    ("redimnet2", 4, 800),
    ("campplus", 200, 1200),
    ("ska_tdnn", 2, 800),
    ("titanet", 1, 400),
    ("xvector", 1, 400),
    ("xi_vector", 1, 400),
]
"""Model, frames it advances by at once (CAM++: a segment), and frames that hold its receptive field twice."""

MANY_LAYERS = {
    "preact_resnet",
    "resnet_se34_l",
    "resnet_se34_v2",
    "res2net",
    "eres2net",
    "eres2net_v2",
    "gemini_df_resnet",
    "redimnet",
    "redimnet_convnext",
    "redimnet2",
    "campplus",
}
"""Models that take seconds to trace, or for ten minutes of features."""
QUADRATIC = {"mfa_conformer", "redimnet", "redimnet_convnext", "redimnet2"}
"""Models whose time grows with the square of the frames."""
OF_WAVEFORMS = {"rawnet3"}
"""Models whose frames are samples."""
OF_LAYERS = {"adapter_mfa", "mhfa"}
"""Models whose features are the layers of another, which has the blocks for activation checkpointing."""
SHIFT_SAMPLES = 160


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    kind, sizes = NARROW[name]
    return kind(**sizes) if name in OF_WAVEFORMS else kind(num_mels=NUM_MELS, **sizes)


def noise(name: str, batch: int, frames: int) -> torch.Tensor:
    """Return random features of as many frames, or a waveform of their length."""
    return (
        torch.randn(batch, frames * SHIFT_SAMPLES, 1) if name in OF_WAVEFORMS else torch.randn(batch, frames, NUM_MELS)
    )


def trained(name: str) -> nn.Module:
    """Return the model in evaluation mode, with statistics of batch normalisation that are not 0 and 1."""
    model = build(name)
    for _ in range(3):
        model(noise(name, 8, 100))
    return model.eval()


every_model = pytest.mark.parametrize("name", NARROW)
patiently_every_model = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in MANY_LAYERS else name for name in NARROW]
)


@pytest.mark.parametrize(("choice", "num_mels", "printed", "source"), PUBLISHED, ids=lambda value: str(value)[:20])
def test_parameter_count_is_the_published_one(
    build_choice: Callable[..., nn.Module], choice: str, num_mels: int, printed: str, source: str
):
    """To half a percent, or as closely as the figure is printed."""
    model = build_choice(choice, num_mels=num_mels)
    last_digit = 10.0 ** -len(printed.partition(".")[2])
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(float(printed), rel=0.005, abs=last_digit / 2), source


@every_model
@pytest.mark.parametrize("frames", [1, 2, 28, 29, 300])
def test_one_utterance_of_any_length(name: str, frames: int):
    """0.3 s are 28 frames of 25 ms at 10 ms."""
    model = trained(name)
    with torch.inference_mode():
        embedding = model(noise(name, 1, frames))
    assert embedding.shape == (1, model.embedding_dim) == (1, 8)
    assert embedding.isfinite().all()


@patiently_every_model
def test_minutes_embed_like_ten_seconds_of_the_same(name: str):
    """60 repetitions, ten minutes, differ from one only at the seams; 6 where time grows with the square of frames."""
    model, features = trained(name), noise(name, 1, 1000)
    with torch.inference_mode():
        short, long = model(features), model(features.repeat(1, 6 if name in QUADRATIC else 60, 1))
    assert torch.cosine_similarity(short, long).item() > 0.99


@pytest.mark.parametrize(("name", "step", "frames"), SHIFTS)
def test_when_something_is_said_does_not_matter(name: str, step: int, frames: int):
    """In the midst of constant features the embedding is the same wherever the speech begins."""
    model = trained(name).double()
    speech = torch.randn(30, NUM_MELS, dtype=torch.float64)

    def said_at(start: int) -> torch.Tensor:
        features = torch.zeros(1, frames, NUM_MELS, dtype=torch.float64)
        features[0, start : start + 30] = speech
        return model(features)

    with torch.inference_mode():
        start = (frames // 2 - 15) // step * step
        torch.testing.assert_close(said_at(start), said_at(start + step), rtol=1e-9, atol=1e-9)
        assert not torch.allclose(said_at(start), model(torch.zeros(1, frames, NUM_MELS).double()), rtol=1e-3)


@every_model
def test_an_embedding_does_not_depend_on_its_batch(name: str):
    model, features = trained(name), noise(name, 4, 60)
    with torch.inference_mode():
        together = model(features)
        alone = torch.cat([model(row.unsqueeze(0)) for row in features])
        shuffled = model(features[[2, 0, 3, 1]])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled, together[[2, 0, 3, 1]], rtol=1e-4, atol=1e-5)


@every_model
def test_padding_to_the_longest_of_a_batch_changes_nothing(name: str):
    """Whatever the padding is, and from 0.3 s on; loud, so that one frame of it that is looked at would be seen."""
    model, features = trained(name), noise(name, 7, 230)
    lengths = [frames * features.shape[1] // 230 for frames in (1, 28, 29, 101, 200, 227, 230)]
    for row, length in zip(features, lengths, strict=True):
        row[length:] = 50.0
    with torch.inference_mode():
        together = model(features, torch.tensor(lengths))
        alone = torch.cat([model(row[None, :length]) for row, length in zip(features, lengths, strict=True)])
        unmasked = model(features)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert ((unmasked - alone).norm(dim=1) > 1e-3 * alone.norm(dim=1))[:6].all()


@every_model
@pytest.mark.parametrize("level", [0.0, 1.0, 1e4], ids=["silent", "usual", "huge"])
def test_every_parameter_gets_a_finite_gradient(name: str, level: float):
    model = build(name)
    (model(level * noise(name, 4, 60)) * torch.randn(4, 8)).sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@every_model
def test_every_parameter_moves_the_embeddings(name: str):
    """A layer that is built but not used would have a gradient of exactly zero, or none; gates are switched on."""
    model = build(name).double()
    for module in model.modules():
        if isinstance(module, SqueezeExcitation) and module.squeeze.bias is not None:
            nn.init.ones_(module.squeeze.bias)
    (model(noise(name, 8, 60).double()) * torch.randn(8, 8)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad.abs().max() == 0] == []


@every_model
@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [("cpu", torch.bfloat16, 0.06), pytest.param("cuda", torch.float16, 0.01, marks=pytest.mark.gpu)],
)
def test_autocast_stays_close_to_float32(name: str, device: str, dtype: torch.dtype, tolerance: float):
    model, features = trained(name).to(device), noise(name, 8, 100).to(device)
    exact = model(features)
    with torch.autocast(device, dtype=dtype):
        rough = model(features)
    (rough.float() * torch.randn_like(exact)).sum().backward()
    assert ((rough.float() - exact).norm(dim=1) / exact.norm(dim=1)).max() < tolerance
    assert all(p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_masked_gradients_are_finite_in_bfloat16(name: str):
    model, features = build(name), noise(name, 4, 60)
    num_frames = torch.tensor([1, features.shape[1] // 2, features.shape[1] - 1, features.shape[1]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = model(features, num_frames)
    (embeddings.float() * torch.randn(4, 8)).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@patiently_every_model
@pytest.mark.parametrize("masked", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_is_one_graph(name: str, masked: bool):
    """`torch.compile` finds no Python it must leave the graph for; the eager back-end needs no compiler."""
    model, features = trained(name), noise(name, 2, 50)
    num_frames = torch.tensor([features.shape[1], features.shape[1] // 2]) if masked else None
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(features, num_frames), model(features, num_frames))


def trained_once(model: nn.Module, inputs: tuple[torch.Tensor, ...], dtype: torch.dtype) -> tuple[torch.Tensor, int]:
    """Take one step's gradients; return the loss and how many bytes were kept for them, weights left out."""
    kept: dict[int, int] = {}
    weights = {parameter.data_ptr() for parameter in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            embeddings = model(*inputs)
        loss = (embeddings.float() * torch.randn(embeddings.shape)).square().mean()
    torch.rand(3)  # moves the generator on, from where dropout would draw something else
    loss.backward()
    return loss, sum(kept.values())


@pytest.mark.parametrize("name", sorted(NARROW.keys() - OF_LAYERS))
@pytest.mark.parametrize(
    ("dtype", "masked"), [(torch.bfloat16, True), pytest.param(torch.float32, False, marks=pytest.mark.slow)]
)
def test_activation_checkpointing_changes_nothing_but_memory(name: str, dtype: torch.dtype, masked: bool):
    """Batch normalisation's statistics take one update, dropout draws the same again, names of weights stay."""
    plain, features = trained(name).train(), noise(name, 4, 60)
    checkpointed = copy.deepcopy(plain)
    checkpoint_activations(checkpointed)
    num_frames = torch.tensor([1.0, 0.5, 0.8, 0.6]).mul(features.shape[1]).long()
    inputs = (features, num_frames) if masked else (features,)
    expected, bytes_kept = trained_once(plain, inputs, dtype)
    loss, fewer_bytes = trained_once(checkpointed, inputs, dtype)
    exactly = {"rtol": 0.0, "atol": 0.0}
    torch.testing.assert_close(loss, expected, **exactly)
    torch.testing.assert_close(dict(checkpointed.state_dict()), dict(plain.state_dict()), **exactly)
    gradients, wanted = ({n: p.grad for n, p in model.named_parameters()} for model in (checkpointed, plain))
    torch.testing.assert_close(gradients, wanted, **exactly)
    assert fewer_bytes < 0.95 * bytes_kept


def gradients_of_half_a_batch(rank: int, file: str) -> None:
    """In one of two processes: hold the mean of both processes' gradients to those of the whole batch in one."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    for name, checkpointing in itertools.product(NARROW, (False, True)):
        model = trained(name).double()
        features = noise(name, 4, 60).double()
        num_frames = torch.tensor([1.0, 0.5, 0.8, 0.6]).mul(features.shape[1]).long()
        share = copy.deepcopy(model)
        if checkpointing and name not in OF_LAYERS:
            checkpoint_activations(share)
        parallel = DistributedDataParallel(share)
        half = slice(2 * rank, 2 * rank + 2)
        for _ in range(2):  # the second step finds out if the first left a parameter without its gradient
            parallel.zero_grad()
            parallel(features[half], num_frames[half]).square().mean().backward()
        model(features, num_frames).square().mean().backward()
        for (parameter_name, alone), shared in zip(model.named_parameters(), parallel.parameters(), strict=True):
            text = f"{name} {parameter_name}"
            torch.testing.assert_close(shared.grad, alone.grad, rtol=1e-6, atol=1e-9, msg=lambda m, t=text: f"{t}: {m}")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path):
    torch.multiprocessing.spawn(gradients_of_half_a_batch, (str(tmp_path / "rendezvous"),), nprocs=2)


@every_model
def test_pickles_with_its_weights(name: str):
    model, features = trained(name), noise(name, 2, 30)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(features), model(features))


@every_model
@pytest.mark.parametrize("shape", [(2, 30, NUM_MELS + 1), (2, 0, NUM_MELS), (30, NUM_MELS)])
def test_features_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"got features\.shape=.*expected \[batch, "):
        build(name)(torch.zeros(shape))
