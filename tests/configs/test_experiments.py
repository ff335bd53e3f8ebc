"""Every experiment takes two steps of training, narrow and on a tiny corpus."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from avis.engine.config import resolve
from avis.engine.examples.batches import local_batches
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.train import build_module

CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
NARROW: dict[str, dict[str, Any]] = {
    "EcapaTdnn": {"channels": 16, "mfa_channels": 24, "se_channels": 8},
    "ResNet": {"channels": 4, "depths": [1, 1, 1, 1]},
    "CamPlusPlus": {"head_channels": 2, "channels": 16, "growth": 4},
    "ERes2Net": {"channels": 8, "depths": [1, 1, 1, 1]},
    "ReDimNet": {"channels": 8, "group_size": 4, "stages": [[1, 1, 1, 0], [2, 1, 2, 8], [3, 1, 1, 8]]},
    "ReDimNet2": {"channels": 8, "stages": [[1, 1, 1, 2, 8], [2, 2, 1, 1, 8], [3, 2, 1, 0.5, 8]], "head_channels": 4},
    "MfaConformer": {"channels": 8, "num_blocks": 1, "num_heads": 2, "hidden_channels": 16},
    "RawNet3": {"channels": 32, "mfa_channels": 24, "attention_channels": 8},
    "AdapterMfa": {"num_mels": 48, "num_layers": 3, "adapter_channels": 8},
    "Mhfa": {"num_mels": 48, "num_layers": 3, "num_heads": 2, "channels": 8},
}
"""What makes models small, by the last part of their ``_target_``."""
SHORT = {"batch_size": 4, "crop_s": 0.6, "min_utterance_s": 0.0, "passes_per_epoch": 1, "babble_utterances": 2}


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return folders with W2V-BERT and WavLM, two layers at a width of 16."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    convolutions = {"conv_dim": [8, 8], "conv_kernel": [10, 5], "conv_stride": [5, 4], "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    configs = {
        "w2v_bert": transformers.Wav2Vec2BertConfig(**sizes),
        "wavlm": transformers.WavLMConfig(**sizes, **convolutions, **positions),
    }
    folders = {name: str(tmp_path_factory.mktemp(name)) for name in configs}
    for name, config in configs.items():
        transformers.AutoModel.from_config(config).save_pretrained(folders[name])
    return folders


@pytest.fixture
def narrow(composed: Callable[..., Any], backbones: dict[str, str]) -> Callable[[str], dict[str, Any]]:
    """Return what composes an experiment with synthetic banks, short crops and a narrow model, from the start."""

    def narrowed(experiment: str) -> dict[str, Any]:
        recipe = composed("train", f"experiment={experiment}").recipe | {"start_from": None}
        noise = {"_target_": "avis.augment.synthetic_noise.synthetic_noise_bank", "num": 2, "duration_s": 1.0}
        banks = [name for name in recipe["augment"] if name.endswith("_bank") and recipe["augment"][name]]
        recipe["augment"] |= dict.fromkeys(banks, noise | {"sample_rate": 16000, "seed": 0})
        for name, folder in backbones.items():
            if name in experiment:
                recipe["features"]["front_end"] |= {"model": folder, "dim": 48}
        recipe["model"] |= NARROW[recipe["model"]["_target_"].split(".")[-1]]
        recipe["trainer"] |= SHORT
        return recipe

    return narrowed


@pytest.mark.few(5)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_two_steps(experiment: str, tiny_store: str, narrow: Callable[[str], dict[str, Any]]):
    inputs = gather_inputs(Recipe.of(narrow(experiment)), tiny_store, num_workers=1)
    module = build_module(inputs)
    optimizer = module.configure_optimizers()
    before = {name: weight.detach().clone() for name, weight in module.named_parameters() if weight.requires_grad}
    for batch in islice(local_batches(inputs.examples), 2):
        module.set_progress(0.5)
        loss, _ = module.loss(module(batch), batch["speaker"])
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moved = [name for name, weight in module.named_parameters() if name in before and not weight.equal(before[name])]
    assert len(moved) > 0.9 * len(before)


@pytest.mark.few(10)
@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name.startswith(("voxceleb_", "cn_celeb_"))])
def test_as_many_talkers_as_musan_has(experiment: str, composed: Callable[..., Any]):
    """WeSpeaker and voxceleb_trainer draw other talkers from MUSAN's 426 files of speech."""
    recipe = composed("train", f"experiment={experiment}").recipe
    chain = instantiate(recipe["augment"]["chain"])
    draws_talkers = chain is not None and "speech" in chain.required_banks
    assert not draws_talkers or recipe["trainer"]["babble_utterances"] == 426


@pytest.mark.few(1)
@pytest.mark.parametrize("experiment", ["voxceleb_ecapa_512", "voxceleb_eres2net_v2", "voxceleb_redimnet2_b6"])
def test_fine_tuning_starts_from_the_stage_before(
    experiment: str, tiny_store: str, narrow: Callable[[str], dict[str, Any]], tmp_path: Path
):
    first = build_module(gather_inputs(Recipe.of(narrow(experiment)), tiny_store, num_workers=1))
    checkpoint: dict[str, Any] = {"state_dict": first.state_dict(), "epoch": 0, "global_step": 0}
    first.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "average.ckpt")
    recipe = narrow(f"{experiment}_lm") | {"start_from": str(tmp_path / "average.ckpt"), "seed": 1}
    second = build_module(gather_inputs(Recipe.of(recipe), tiny_store, num_workers=1))
    for name, weight in second.state_dict().items():
        assert weight.equal(first.state_dict()[name][: len(weight)] if weight.ndim else first.state_dict()[name]), name


@pytest.mark.parametrize("experiment", ["voxceleb_w2v_bert", "voxceleb_wavlm_mhfa"])
def test_fine_tuning_all_of_a_front_end_starts_from_the_stage_before(
    experiment: str, tiny_store: str, narrow: Callable[[str], dict[str, Any]], tmp_path: Path
):
    """Low-rank updates, which the second stage has no place for, are part of its weights."""
    first = build_module(gather_inputs(Recipe.of(narrow(experiment)), tiny_store, num_workers=1))
    for name, weight in first.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.normal_(weight)
    checkpoint: dict[str, Any] = {"state_dict": first.state_dict(), "epoch": 0, "global_step": 0}
    first.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "average.ckpt")
    recipe = narrow(f"{experiment}_joint") | {"start_from": str(tmp_path / "average.ckpt"), "seed": 1}
    work = gather_inputs(Recipe.of(recipe), tiny_store, num_workers=1)
    second = build_module(work)
    batch = next(local_batches(work.examples))
    torch.testing.assert_close(second.eval()(batch), first.eval()(batch), rtol=1e-4, atol=1e-5)
    assert all(weight.requires_grad for weight in second.parameters())
    assert second.loss.weight.equal(first.loss.weight)


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name.endswith(("_lm", "_joint"))])
def test_fine_tuning_asks_for_a_checkpoint(experiment: str, composed: Callable[..., Any]):
    tree, missing, _ = composed("train", f"experiment={experiment}")
    tree = tree.copy()
    OmegaConf.set_readonly(tree, False)
    for key in missing:
        if key != "start_from":
            OmegaConf.update(tree, key, "x")
    with pytest.raises(ValueError, match=r"value missing: .* start_from=<value>"):
        resolve(tree)
