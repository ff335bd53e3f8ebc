"""Models as ``configs/model`` has them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def build_choice() -> Callable[..., nn.Module]:
    """Return a function that builds a choice for a number of mels, with its own pooling, but without weights."""

    def build(choice: str, *, num_mels: int) -> nn.Module:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            values = OmegaConf.to_container(compose("train", [f"model={choice}"]).model, resolve=True)
        with torch.device("meta"):
            return instantiate({**values, "num_mels": num_mels})  # type: ignore[dict-item]

    return build
