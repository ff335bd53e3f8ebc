"""Every experiment takes two steps of training, narrow and on a tiny corpus."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from avis.engine.config import resolve
from avis.engine.stream import local_batches
from avis.engine.train import build_module, share

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
}
"""What makes models small, by the last part of their ``_target_``."""
NOWHERE = [f"++augment.{kind}_root=nowhere" for kind in ("noise", "rir", "music")]
OVERRIDES = ["corpus=synthetic", "trials=null", "start_from=null", "compute=debug", *NOWHERE]
SHORT = {"batch_size": 4, "crop_s": 0.6, "passes_per_epoch": 1, "babble_utterances": 2}


@pytest.fixture(scope="module")
def w2v_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with W2V-BERT at a width of 16."""
    transformers = pytest.importorskip("transformers")
    folder = str(tmp_path_factory.mktemp("w2v_bert"))
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    transformers.AutoModel.from_config(transformers.Wav2Vec2BertConfig(**sizes)).save_pretrained(folder)
    return folder


def narrow(experiment: str, w2v_bert: str) -> dict[str, Any]:
    """Compose an experiment with synthetic banks, short crops and a narrow model."""
    ssl = [f"features.front_end.model={w2v_bert}", "features.front_end.dim=16"] if "w2v" in experiment else []
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        recipe = resolve(compose("train", [f"experiment={experiment}", *OVERRIDES, *ssl]))
    noise = {"_target_": "avis.augment.synthetic_noise.synthetic_noise_bank", "num": 2, "duration_s": 1.0, "seed": 0}
    banks = [name for name in recipe["augment"] if name.endswith("_bank") and recipe["augment"][name]]
    recipe["augment"] |= dict.fromkeys(banks, noise | {"sample_rate": 16000})
    recipe["model"] |= NARROW[recipe["model"]["_target_"].split(".")[-1]]
    recipe["trainer"] |= SHORT
    return recipe


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_two_steps(experiment: str, tiny_store: str, w2v_bert: str):
    shared = share(narrow(experiment, w2v_bert), tiny_store, num_workers=1)
    module = build_module(shared)
    optimizer = module.configure_optimizers()
    before = {name: weight.detach().clone() for name, weight in module.named_parameters() if weight.requires_grad}
    for batch in islice(local_batches(shared, first_block=0), 2):
        module.set_progress(0.5)
        loss, _ = module.loss(module(batch), batch["speaker"])
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moved = [name for name, weight in module.named_parameters() if name in before and not weight.equal(before[name])]
    assert len(moved) > 0.9 * len(before)


@pytest.mark.parametrize("experiment", ["voxceleb_ecapa_512", "voxceleb_eres2net_v2", "voxceleb_redimnet2_b6"])
def test_fine_tuning_starts_from_the_stage_before(experiment: str, tiny_store: str, w2v_bert: str, tmp_path: Path):
    first = build_module(share(narrow(experiment, w2v_bert), tiny_store, num_workers=1))
    checkpoint: dict[str, Any] = {"state_dict": first.state_dict(), "epoch": 0}
    first.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "average.ckpt")
    recipe = narrow(f"{experiment}_lm", w2v_bert) | {"start_from": str(tmp_path / "average.ckpt"), "seed": 1}
    second = build_module(share(recipe, tiny_store, num_workers=1))
    for name, weight in second.state_dict().items():
        assert weight.equal(first.state_dict()[name][: len(weight)] if weight.ndim else first.state_dict()[name]), name


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name.endswith(("_lm", "_joint"))])
def test_fine_tuning_asks_for_a_checkpoint(experiment: str):
    others = [override for override in OVERRIDES if not override.startswith("start_from=")]
    with (
        initialize_config_dir(str(CONFIGS), version_base="1.3"),
        pytest.raises(ValueError, match=r"value missing: .* start_from=<value>"),
    ):
        resolve(compose("train", [f"experiment={experiment}", *others]))
