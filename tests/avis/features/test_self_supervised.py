"""Tiny models of all four kinds with random weights, against the model and the feature extractor of transformers."""

import copy
import json
import sys

import pytest
import torch
from torchaudio.models.wav2vec2.utils import import_huggingface_model

from avis.features.self_supervised import SelfSupervised
from avis.training.activation_checkpointing import checkpoint_activations, repeated_blocks

transformers = pytest.importorskip("transformers")

NAMES = ["wavlm", "wav2vec2", "wav2vec2_stable", "hubert", "w2v_bert"]
OPTIONS = {"dim": 16, "sample_rate": 16000, "frozen": True, "normalise": True, "layer_norm": False}


def reference(name, folder, waveform):
    """Return all layers, of input made by transformers' own extractor."""
    made = transformers.SeamlessM4TFeatureExtractor if name == "w2v_bert" else transformers.Wav2Vec2FeatureExtractor
    inputs = dict(made()(waveform.numpy(), sampling_rate=16000, return_tensors="pt"))
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if name == "w2v_bert":
        length = int(inputs["attention_mask"].sum())
    else:
        length = None
        inputs.pop("attention_mask", None)
    with torch.inference_mode():
        made = model(**inputs, output_hidden_states=True)
    assert name == "wav2vec2_stable" or torch.equal(made.hidden_states[-1], made.last_hidden_state)
    return torch.stack((*made.hidden_states[:-1], made.last_hidden_state))[:, 0, :length]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("num_samples", [4000, 4200])
def test_is_the_weighted_sum_of_the_models_layers(folders, speech_like, name, layer_norm, num_samples):
    features = SelfSupervised(model=folders[name], **OPTIONS | {"layer_norm": layer_norm})
    features.layer_weights.data = torch.tensor([0.3, -1.0, 2.0, 0.5])
    waveform = speech_like(num_samples)
    layers = reference(name, folders[name], waveform)
    if layer_norm:
        layers = (layers - layers.mean(-1, keepdim=True)) / (layers.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    weights = torch.tensor([0.3, -1.0, 2.0, 0.5]).exp()
    expected = (layers * (weights / weights.sum())[:, None, None]).sum(0)
    torch.testing.assert_close(features(waveform).detach(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["wavlm", "w2v_bert"])
def test_mean_norm_takes_out_the_sums_mean_over_each_utterance(folders, speech_like, name):
    """wespeaker/dataset/dataset_utils.py, apply_cmvn with norm_mean alone."""
    torch.manual_seed(1)
    plain, normed = (SelfSupervised(model=folders[name], **OPTIONS, mean_norm=norm) for norm in (False, True))
    batch = torch.stack([speech_like(4200, seed) for seed in range(2)])
    expected = plain(batch).detach()
    torch.testing.assert_close(normed(batch).detach(), expected - expected.mean(dim=1, keepdim=True))
    assert (expected.mean(dim=1).abs() > 0.01).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_rows_in_float32_and_of_the_stated_length(folders, speech_like, name):
    features = SelfSupervised(model=folders[name], **OPTIONS).eval()
    batch = torch.stack([speech_like(4321, seed) * 10.0**-seed for seed in range(3)])
    with torch.inference_mode():
        together = features(batch)
        assert together.shape == (3, features.num_frames(4321), features.dim)
        for row, waveform in zip(together, batch, strict=True):
            torch.testing.assert_close(row, features(waveform), atol=1e-4, rtol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert features(batch).dtype == torch.float32


@pytest.mark.parametrize("name", ["wavlm", "w2v_bert"])
def test_num_frames_of_short_waveforms(folders, name):
    features = SelfSupervised(model=folders[name], **OPTIONS)
    shortest = next(num for num in range(1000) if features.num_frames(num))
    with torch.inference_mode():
        assert features(torch.zeros(1, shortest)).shape == (1, 1, 16)
        with pytest.raises(ValueError, match=f"num_samples={shortest - 1}"):
            features(torch.zeros(1, shortest - 1))


@pytest.mark.parametrize("name", NAMES)
def test_fine_tuned_every_parameter_has_a_gradient(folders, speech_like, name):
    features = SelfSupervised(model=folders[name], **OPTIONS | {"frozen": False}).train()
    assert features.backbone.training
    for seed in range(3):  # no layer is left out in any step
        features.zero_grad()
        features(speech_like(4000, seed)).square().mean().backward()
        assert [name for name, each in features.named_parameters() if each.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_frozen_only_the_weights_have_gradients(folders, speech_like, name):
    features = SelfSupervised(model=folders[name], **OPTIONS).train()
    assert features.training
    assert not features.backbone.training
    features(speech_like(4000)).square().mean().backward()
    assert [name for name, each in features.named_parameters() if each.grad is not None] == ["layer_weights"]
    assert [name for name, each in features.named_parameters() if each.requires_grad] == ["layer_weights"]


@pytest.mark.parametrize("name", NAMES)
def test_fine_tuned_under_activation_checkpointing_gradients_are_the_same(folders, speech_like, name):
    plain = SelfSupervised(model=folders[name], **OPTIONS | {"frozen": False}).train()
    checkpointed = copy.deepcopy(plain)
    checkpoint_activations(checkpointed)
    layers = {id(layer) for layer in checkpointed.backbone.encoder.layers}
    assert layers <= {id(block) for block in repeated_blocks(checkpointed)}
    for features in (plain, checkpointed):
        torch.manual_seed(0)
        (features(speech_like(4000)) * torch.randn(16)).square().mean().backward()
    gradients, expected = ({n: p.grad for n, p in each.named_parameters()} for each in (checkpointed, plain))
    torch.testing.assert_close(gradients, expected, rtol=0.0, atol=0.0)


def test_what_does_not_fit(folders, tmp_path):
    with pytest.raises(ValueError, match="dim=768, expected 16000 and 16"):
        SelfSupervised(model=folders["wavlm"], **OPTIONS | {"dim": 768})
    with pytest.raises(ValueError, match="sample_rate=8000"):
        SelfSupervised(model=folders["wavlm"], **OPTIONS | {"sample_rate": 8000})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="type 'bert'"):
        SelfSupervised(model=str(tmp_path), **OPTIONS)


def test_pickled_weights_are_not_read(folders, tmp_path):
    model = transformers.AutoModel.from_pretrained(folders["wavlm"])
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        SelfSupervised(model=str(tmp_path), **OPTIONS)


def test_without_the_extra(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"avis\[ssl\]"):
        SelfSupervised(model=folders["wavlm"], **OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wavlm", "wav2vec2", "hubert"])
def test_layers_are_those_of_torchaudio(folders, speech_like, name):
    """Its own implementation, with the same weights copied in; it has no layer before the first block."""
    original = transformers.AutoModel.from_pretrained(folders[name]).eval()
    reference = import_huggingface_model(original).eval()
    features = SelfSupervised(model=folders[name], **OPTIONS | {"normalise": False}).eval()
    waveform = speech_like(4200)
    with torch.inference_mode():
        layers, _ = reference.extract_features(waveform[None])
        for index, expected in enumerate(layers, start=1):
            features.layer_weights.data = torch.full((4,), -torch.inf).index_fill(0, torch.tensor(index), 0.0)
            torch.testing.assert_close(features(waveform), expected[0], atol=1e-4, rtol=1e-4)
