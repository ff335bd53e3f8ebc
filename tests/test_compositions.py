"""What tests take for a configuration is what Hydra composes."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.compositions import CONFIGS, composed, composed_with_hydra


@pytest.mark.parametrize(
    ("pipeline", "overrides"),
    [
        (
            "train",
            ["model=resnet34", "model/pooling=mean", "~trainer.babble_utterances", "+model.x=[1,{a: b}]"],
        ),
        ("score", ["checkpoint='a b'", "calibration=none", "+trials={a: b}", "scoring=wccn"]),
    ],
)
def test_choices_and_values_come_out_as_in_hydra(pipeline: str, overrides: list[str]):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        expected = OmegaConf.to_container(compose(pipeline, overrides))
    assert OmegaConf.to_container(composed(pipeline, *overrides)) == expected
    with_hydra = OmegaConf.to_container(composed_with_hydra(pipeline, *overrides))
    assert with_hydra.pop("hydra")["overrides"]["task"] == overrides
    assert with_hydra == expected
