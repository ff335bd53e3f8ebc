"""All layers of tiny models with random weights, and low-rank updates of W2V-BERT's queries and values."""

import copy

import pytest
import torch

from avis.features.self_supervised import SelfSupervised
from avis.features.self_supervised_layers import LowRankLinear, SelfSupervisedLayers
from avis.training.activation_checkpointing import checkpoint_activations

transformers = pytest.importorskip("transformers")

LAYERS, WIDTH, RANK = 3, 16, 4
NAMES = ["wavlm", "w2v_bert"]
OPTIONS = {
    "dim": (LAYERS + 1) * WIDTH,
    "sample_rate": 16000,
    "frozen": True,
    "normalise": True,
    "lora_rank": 0,
    "lora_alpha": 8.0,
}
LORA = OPTIONS | {"lora_rank": RANK}


@pytest.fixture(scope="module")
def updated(folders):
    """Return a W2V-BERT whose updates are no longer zero, and which has been made in training."""
    torch.manual_seed(1)
    features = SelfSupervisedLayers(model=folders["w2v_bert"], **LORA)
    for module in features.modules():
        if isinstance(module, LowRankLinear):
            torch.nn.init.normal_(module.lora_b, std=0.3)
    return features


@pytest.mark.parametrize("name", NAMES)
def test_layers_lie_side_by_side(folders, speech_like, name):
    """The sum with all weight on one layer is that layer."""
    features = SelfSupervisedLayers(model=folders[name], **OPTIONS)
    options = {key: value for key, value in OPTIONS.items() if not key.startswith("lora")}
    sums = SelfSupervised(model=folders[name], **options | {"dim": WIDTH, "layer_norm": False})
    batch = torch.stack([speech_like(4200, seed) for seed in range(2)])
    made = features(batch)
    assert made.shape == (2, features.num_frames(4200), features.dim)
    assert made.dtype == torch.float32
    for layer, frames in enumerate(made.split(WIDTH, dim=2)):
        sums.layer_weights.data = torch.full((LAYERS + 1,), -torch.inf).index_fill(0, torch.tensor(layer), 0.0)
        torch.testing.assert_close(frames, sums(batch).detach())
    torch.testing.assert_close(features(batch[1]), made[1], atol=1e-5, rtol=1e-5)


def test_updates_begin_as_the_frozen_model(folders, speech_like):
    frozen = SelfSupervisedLayers(model=folders["w2v_bert"], **OPTIONS)
    adapted = SelfSupervisedLayers(model=folders["w2v_bert"], **LORA).eval()
    with torch.inference_mode():
        assert torch.equal(adapted(speech_like(4200)), frozen(speech_like(4200)))


def test_updates_are_as_many_as_the_formula_says(folders):
    """Two projections of each layer, two matrices of the rank times the width each; nothing else is trained."""
    adapted = SelfSupervisedLayers(model=folders["w2v_bert"], **LORA)
    trained = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert sum(weight.numel() for weight in trained.values()) == LAYERS * 2 * 2 * RANK * WIDTH
    assert {name.rsplit(".")[-1] for name in trained} == {"lora_a", "lora_b"}


def test_an_updated_layer_is_the_published_formula():
    """Hu et al., Eq. 3, with the scale of section 4.1: W x + b + alpha / r B A x."""
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(6, 5), torch.randn(3, 6)
    layer = LowRankLinear(linear, rank=2, alpha=8.0)
    torch.nn.init.normal_(layer.lora_b)
    weight = linear.weight + 4.0 * layer.lora_b @ layer.lora_a
    torch.testing.assert_close(layer(x), x @ weight.T + linear.bias)


def test_merged_updates_are_the_updated_model(folders, updated, speech_like):
    """Whether it is loaded by itself or as part of a larger module."""
    state = updated.state_dict()
    merged = SelfSupervisedLayers(model=folders["w2v_bert"], **OPTIONS | {"frozen": False})
    assert not torch.allclose(merged(speech_like(4200)), updated(speech_like(4200)), atol=1e-2)
    whole = torch.nn.ModuleDict({"front_end": copy.deepcopy(merged)})
    merged.load_state_dict(state)
    whole.load_state_dict({f"front_end.{key}": value for key, value in state.items()})
    for features in (merged, whole["front_end"]):
        torch.testing.assert_close(features(speech_like(4200)), updated(speech_like(4200)), atol=1e-5, rtol=1e-5)
    assert state.keys() == updated.state_dict().keys()


def test_updates_are_loaded_where_there_is_a_place_for_them(folders, updated, speech_like):
    again = SelfSupervisedLayers(model=folders["w2v_bert"], **LORA)
    again.load_state_dict(updated.state_dict())
    assert torch.equal(again(speech_like(4200)), updated(speech_like(4200)))
    with pytest.raises(RuntimeError, match="lora_a"):
        again.load_state_dict(SelfSupervisedLayers(model=folders["w2v_bert"], **OPTIONS).state_dict())


def test_only_updates_have_gradients_and_the_model_is_in_training(folders, updated, speech_like):
    """As with PEFT, whose updates wespeaker sets to training with all that holds them; frozen, the model is not."""
    features = copy.deepcopy(updated).train()
    assert features.backbone.training
    features(speech_like(4000)).square().mean().backward()
    with_gradients = {name.rsplit(".")[-1] for name, each in features.named_parameters() if each.grad is not None}
    assert with_gradients == {"lora_a", "lora_b"}
    assert all(each.grad.abs().max() > 0 for each in features.parameters() if each.requires_grad)
    frozen = SelfSupervisedLayers(model=folders["w2v_bert"], **OPTIONS).train()
    assert not frozen.backbone.training
    assert not frozen(speech_like(4000)).requires_grad


def test_activation_checkpointing_gives_the_same_gradients(updated, speech_like):
    plain, checkpointed = (copy.deepcopy(updated).train() for _ in range(2))
    checkpoint_activations(checkpointed)
    for features in (plain, checkpointed):
        features(speech_like(4000)).square().mean().backward()
    gradients, expected = ({n: p.grad for n, p in each.named_parameters()} for each in (checkpointed, plain))
    torch.testing.assert_close(gradients, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit(folders, name):
    with pytest.raises(ValueError, match=f"dim={WIDTH}, expected 16000 and {(LAYERS + 1) * WIDTH}"):
        SelfSupervisedLayers(model=folders[name], **OPTIONS | {"dim": WIDTH})
    frozen = name == "wavlm"
    with pytest.raises(ValueError, match=rf"lora_rank={RANK} with frozen={frozen} .*At features\.front_end\.lora_rank"):
        SelfSupervisedLayers(model=folders[name], **LORA | {"frozen": frozen})


def test_w2v_bert_2_has_as_many_weights_as_published():
    """580 M of wespeaker's and the paper's model, whose sizes are transformers' defaults; 25 layers of 1024."""
    config = transformers.Wav2Vec2BertConfig(mask_time_prob=0.0, mask_feature_prob=0.0)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(config)
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(580, abs=0.6)
    assert ((config.num_hidden_layers + 1) * config.hidden_size, model.config.add_adapter) == (25600, False)
