"""Exported models embed waveforms of any length as their checkpoints do, or are not written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avis.checkpoints import export as exporting
from avis.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avis.checkpoints.components import build
from avis.checkpoints.export import MIN_COSINE, WaveformEmbedder, export, measure_parity
from avis.engine.config import resolve
from tests.compositions import composed

ECAPA = ["model=ecapa_tiny", *(f"model.{key}=8" for key in ("channels", "mfa_channels", "embedding_dim"))]
XVECTOR = ["model=xvector_small", *(f"model.{key}=8" for key in ("channels", "pooled_channels", "embedding_dim"))]
RESNET = ["model=resnet18", "model.channels=2", "model.depths=[1,1,1,1]", "model.embedding_dim=6"]
CAMPPLUS = ["model=campplus", "model.head_channels=2", "model.channels=8", "model.growth=2", "model.embedding_dim=6"]
REDIMNET = ["model=redimnet_b0", "model.channels=4", "model.stages=[[1,1,1,0],[2,1,2,6]]", "model.embedding_dim=6"]
REDIMNET2 = [
    *("model=redimnet2_b0", "features=redimnet2_mel_72", "model.channels=4", "model.embedding_dim=6"),
    "model.stages=[[1,1,1,2,6],[2,2,1,1,6],[3,2,1,0.5,6]]",
]
RAWNET3 = ["model=rawnet3", "features=raw", "model.channels=16", "model.mfa_channels=8", "model.attention_channels=4"]
BLOCKS = ("convnext", "gated_resnet")
LENGTHS = (8000, 12345, 50001)


def make_checkpoint(folder: Path, *overrides: str) -> tuple[Checkpoint, WaveformEmbedder]:
    """Write the checkpoint of a model with random weights, optimiser and classifier beside it."""
    recipe = resolve(composed("train", *overrides))
    torch.manual_seed(0)
    whole = WaveformEmbedder(build(recipe["features"]["front_end"]), build(recipe["model"]))
    for module in whole.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    weights: dict[str, Any] = {f"model.{key}": value for key, value in whole.model.state_dict().items()}
    learnt = [weight for weight in whole.front_end.parameters() if weight.requires_grad]
    if learnt:
        for weight in learnt:
            weight.data.mul_(1.05).add_(0.05 * torch.rand_like(weight))
        weights |= {f"front_end.{key}": value for key, value in whole.front_end.state_dict().items()}
    weights["loss.weight"] = torch.zeros(1000, 8)
    saved = {"state_dict": weights, "recipe": recipe, "speakers": ["a"], "epoch": 3, "global_step": 9}
    torch.save(saved | {"optimizer_states": [torch.zeros(1000)]}, folder / "best.ckpt")
    return Checkpoint.open(str(folder / "best.ckpt")), whole.eval()


def utterances() -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(1, samples, generator=generator) / 20 for samples in LENGTHS]


@pytest.mark.few(1)
@torch.inference_mode()
@pytest.mark.parametrize(
    "overrides",
    [
        ECAPA,
        RESNET,
        [*ECAPA, "features=speechbrain_fbank_80"],
        [*ECAPA, "features=nemo_mel_80"],
        ["model=resnet_se34_l", "model.channels=8", "features=voxceleb_trainer_mel_40"],
        pytest.param([*ECAPA, "features=sinc_80"], marks=pytest.mark.slow),
        pytest.param(CAMPPLUS, marks=pytest.mark.slow),
        pytest.param(REDIMNET, marks=pytest.mark.slow),
        *(pytest.param([*REDIMNET, f"model.block={block}"], marks=pytest.mark.slow) for block in BLOCKS),
        pytest.param(REDIMNET2, marks=pytest.mark.slow),
        pytest.param(RAWNET3, marks=pytest.mark.slow),
    ],
    ids=[
        "ecapa",
        "resnet",
        "speechbrain",
        "nemo",
        "resnet_se",
        "sinc",
        "campplus",
        "redimnet",
        *BLOCKS,
        "redimnet2",
        "rawnet3",
    ],
)
def test_torchscript_embeds_as_the_checkpoint_does(overrides: list[str], tmp_path: Path):
    checkpoint, whole = make_checkpoint(tmp_path, *overrides)
    file = str(tmp_path / "model.pt")
    assert export(checkpoint, file, format="torchscript").least > MIN_COSINE
    extra = {"avis": ""}
    exported = torch.jit.load(file, _extra_files=extra)
    about = json.loads(extra["avis"])
    assert (about["sample_rate"], about["trained_on"]) == (16000, str(checkpoint.lineage))
    for waveform in utterances():
        torch.testing.assert_close(exported(waveform), whole(waveform), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize(
    "overrides",
    [
        XVECTOR,
        ECAPA,
        RESNET,
        CAMPPLUS,
        [*ECAPA, "features=speechbrain_fbank_80"],
        [*ECAPA, "features=nemo_mel_80"],
        [*ECAPA, "features=sinc_80"],
        REDIMNET,
        *([*REDIMNET, f"model.block={block}"] for block in BLOCKS),
        RAWNET3,
    ],
    ids=["xvector", "ecapa", "resnet", "campplus", "speechbrain", "nemo", "sinc", "redimnet", *BLOCKS, "rawnet3"],
)
def test_onnx_embeds_as_the_checkpoint_does(overrides: list[str], tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    checkpoint, whole = make_checkpoint(tmp_path, *overrides)
    file = str(tmp_path / "model.onnx")
    assert export(checkpoint, file, format="onnx").least > MIN_COSINE
    session = onnxruntime.InferenceSession(file)
    assert json.loads(session.get_modelmeta().custom_metadata_map["avis"])["sample_rate"] == 16000
    for waveform in utterances():
        [embeddings] = session.run(["embeddings"], {"waveforms": waveform.numpy()})
        np.testing.assert_allclose(embeddings, whole(waveform).numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch.inference_mode()
def test_onnx_takes_any_number_of_utterances_in_8_bits_too(tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    checkpoint, whole = make_checkpoint(tmp_path, *ECAPA)
    together = torch.cat([waveform[:, :8000] for waveform in utterances()])
    sizes, found = [], []
    for format in ("onnx", "onnx_int8"):
        parity = export(checkpoint, str(tmp_path / format), format=format)
        session = onnxruntime.InferenceSession(str(tmp_path / format))
        for batch in (together, together[:1]):
            [embeddings] = session.run(["embeddings"], {"waveforms": batch.numpy()})
            found.append(torch.cosine_similarity(torch.from_numpy(embeddings), whole(batch)).min().item())
        sizes.append((tmp_path / format).stat().st_size)
    assert min(found[:2]) > MIN_COSINE
    assert min(found[2:]) > 0.98, "8 bits are close; how close is the processor's to say"
    assert sizes[1] < sizes[0]
    about = json.loads(session.get_modelmeta().custom_metadata_map["avis"])
    assert about["cosine"] == parity._asdict()
    assert about["sample_rate"] == 16000
    nodes = list(pytest.importorskip("onnx").load(tmp_path / "onnx_int8").graph.node)
    assert any(node.op_type == "ConvInteger" for node in nodes)
    in_front = {node.op_type for node in nodes if any("/front_end: " in prop.value for prop in node.metadata_props)}
    assert "MatMul" in in_front, "the mel filters stay float"


def self_supervised(kind: str, folder: Path) -> list[str]:
    """Write a tiny model of transformers with random weights; return the overrides that build on it."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    if kind != "Wav2Vec2Bert":
        sizes |= {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 2}
        sizes |= {"conv_dim": [8, 8], "conv_kernel": [10, 8], "conv_stride": [20, 16]}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**sizes)
    transformers.AutoModel.from_config(config).save_pretrained(folder / kind)
    front_end = {"model": folder / kind, "dim": 16}
    return ["features=self_supervised", *(f"features.front_end.{key}={value}" for key, value in front_end.items())]


def under_head(head: str, folder: Path) -> list[str]:
    """Return the overrides that build a head over all layers of such a model, W2V-BERT's with low-rank updates."""
    kind, rank, sizes = ("WavLM", 0, {"num_heads": 2}) if head == "mhfa" else ("Wav2Vec2Bert", 2, {})
    self_supervised(kind, folder)
    front_end = {"model": folder / kind, "dim": 48, "lora_rank": rank}
    model = {"num_mels": 48, "num_layers": 3, "embedding_dim": 8, **sizes}
    return [
        "features=self_supervised_layers",
        f"model={head}",
        *(f"features.front_end.{key}={value}" for key, value in front_end.items()),
        *(f"model.{key}={value}" for key, value in model.items()),
    ]


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("head", ["mhfa", "adapter_mfa"])
@pytest.mark.parametrize("format", ["torchscript", "onnx"])
def test_heads_over_all_layers_can_be_exported(head: str, format: str, tmp_path: Path):
    checkpoint, _ = make_checkpoint(tmp_path, *under_head(head, tmp_path))
    assert export(checkpoint, str(tmp_path / "exported"), format=format).least > MIN_COSINE


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("kind", ["WavLM", "Wav2Vec2", "Hubert", "Wav2Vec2Bert"])
def test_torchscript_holds_self_supervised_front_ends(kind: str, tmp_path: Path):
    checkpoint, whole = make_checkpoint(tmp_path, *ECAPA, *self_supervised(kind, tmp_path))
    file = str(tmp_path / "model.pt")
    assert export(checkpoint, file, format="torchscript").least > MIN_COSINE
    exported = torch.jit.load(file)
    for waveform in utterances():
        torch.testing.assert_close(exported(waveform), whole(waveform), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("kind", ["WavLM", "Wav2Vec2", "Hubert", "Wav2Vec2Bert"])
def test_onnx_holds_self_supervised_front_ends(kind: str, tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    checkpoint, whole = make_checkpoint(tmp_path, *ECAPA, *self_supervised(kind, tmp_path))
    file = str(tmp_path / "model.onnx")
    assert export(checkpoint, file, format="onnx").least > MIN_COSINE
    session = onnxruntime.InferenceSession(file)
    for waveform in utterances():
        [embeddings] = session.run(["embeddings"], {"waveforms": waveform.numpy()})
        np.testing.assert_allclose(embeddings, whole(waveform).numpy(), rtol=1e-3, atol=1e-4)


def test_a_checkpoint_without_what_training_needs(tmp_path: Path):
    checkpoint, _ = make_checkpoint(tmp_path, *ECAPA)
    file = tmp_path / "small.ckpt"
    assert export(checkpoint, str(file), format="avis").least > MIN_COSINE
    small = Checkpoint.open(str(file))
    assert small.recipe == checkpoint.recipe
    assert str(small.lineage) == str(checkpoint.lineage)
    assert set(checkpoint.weights) - set(small.weights) == {"loss.weight"}
    assert "optimizer_states" not in read_checkpoint(str(file))


class Undecided(torch.nn.Module):
    """Branches on a value, which torch.export cannot follow."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=1) if features.sum() > 0 else features.amax(dim=1)


class OfUndecided(Checkpoint):
    def build_model(self) -> torch.nn.Module:
        return Undecided()


@pytest.mark.slow
def test_a_model_that_the_format_cannot_hold_is_refused(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    checkpoint = OfUndecided(**vars(make_checkpoint(tmp_path, *ECAPA)[0]))
    with pytest.raises(ValueError, match=r"format cannot hold the model: got \w+ \(.*of Undecided on .*format=onnx"):
        export(checkpoint, str(tmp_path / "model.onnx"), format="onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_what_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A front end whose frames depend on the traced length, as a constant in a trace does."""
    checkpoint, _ = make_checkpoint(tmp_path, *ECAPA)

    def trace_only_a_second(*arguments: Any) -> Any:
        exported = exporting._write_torchscript(*arguments)
        return lambda waveforms: exported(waveforms[:, :16000])

    monkeypatch.setitem(exporting.WRITERS, "torchscript", trace_only_a_second)
    with pytest.raises(ValueError, match=r"exported model differs: got cosine=-?0\.\d+"):
        export(checkpoint, str(tmp_path / "model.pt"), format="torchscript")
    assert not (tmp_path / "model.pt").exists()


def test_what_embeddings_share_hides_no_difference():
    """Vectors far from the origin have nearly the same direction, whatever is around them."""

    def one(waveform: Tensor) -> Tensor:
        return torch.cat([torch.tensor([[1000.0]]), waveform[:, 2000:2003]], dim=1)

    assert measure_parity(one, one, sample_rate=16000).least == pytest.approx(1.0)
    assert measure_parity(one, lambda w: one(w.flip(1)), sample_rate=16000).least < MIN_COSINE


def test_an_unknown_format_is_refused(tmp_path: Path):
    checkpoint, _ = make_checkpoint(tmp_path, *ECAPA)
    with pytest.raises(ValueError, match=r"unknown format: got format='tflite'"):
        export(checkpoint, str(tmp_path / "x"), format="tflite")
