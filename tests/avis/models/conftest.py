"""Models as ``configs/model`` has them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate
from torch import nn

CONFIGS = Path(__file__).parents[3] / "configs" / "model"


@pytest.fixture
def build_choice() -> Callable[..., nn.Module]:
    """Return a function that builds a choice for a number of mels, with its own pooling, but without weights."""

    def build(choice: str, *, num_mels: int) -> nn.Module:
        values = yaml.safe_load((CONFIGS / f"{choice}.yaml").read_text())
        for entry in values.pop("defaults", []):
            if "pooling" in entry:
                pooling = yaml.safe_load((CONFIGS / "pooling" / f"{entry['pooling']}.yaml").read_text())
                values["pooling"] = {**pooling, **values.get("pooling", {})}
        with torch.device("meta"):
            return instantiate({**values, "num_mels": num_mels})

    return build
