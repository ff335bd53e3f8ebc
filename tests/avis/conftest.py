"""A small verifier with weights drawn at random, calibrated on made-up scores."""

from collections.abc import Callable

import numpy as np
import pytest
import soundfile as sf
import torch

from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.recipe import Recipe
from avis.scoring.calibration import Calibration
from avis.scoring.cosine import Cosine
from avis.verifier.folder import EVEN, Parts, hearing_of

RATE = 16000
CALIBRATING = {
    "_target_": "avis.scoring.calibration.Calibration",
    "p_target": 0.05,
    "l2": 1e-4,
    "measures": ["duration"],
}


def calibrated_on_made_up_scores() -> Calibration:
    rng = np.random.default_rng(0)
    speakers = np.array([(a, b) for a in range(30) for b in range(a, 30)] * 4)
    target = speakers[:, 0] == speakers[:, 1]
    scores = np.where(target, 0.97, 0.94) + 0.02 * rng.normal(size=len(target))
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=["duration"])
    calibration.fit(scores, np.log(rng.uniform(1, 6, size=(len(target), 2))), target, speakers)
    return calibration


@pytest.fixture(scope="session")
def parts(tiny_recipe: Recipe) -> Parts:
    torch.manual_seed(0)
    weights = {f"model.{key}": value for key, value in tiny_recipe.model.build().state_dict().items()}
    read = {"state_dict": weights, "recipe": tiny_recipe.plain, "speakers": ["a"], "epoch": 1, "global_step": 2}
    return Parts(
        checkpoint=Checkpoint.of(read, "memory", digest="0" * 64),
        hearing=hearing_of(tiny_recipe.plain["sharding"]),
        scoring={"_target_": "avis.scoring.cosine.Cosine", "center": False},
        backend=Cosine(center=False),
        calibrating=CALIBRATING,
        calibration=calibrated_on_made_up_scores(),
        operating_point=EVEN,
        max_window_s=60.0,
        trained_on="1 speaker",
        figures={"list": {"eer": 0.034, "eer_interval": [0.01, 0.06], "num_target": 10, "num_nontarget": 20}},
    )


def talk(seed: int, duration_s: float = 3.0, rate: int = RATE) -> np.ndarray:
    """Harmonics that come and go, over a little noise: float32 ``[samples]``."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(duration_s * rate)) / rate
    pitch_hz = rng.uniform(90, 250)
    voice = sum(np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in range(1, 30))
    syllables = np.sin(2 * np.pi * rng.uniform(2, 4) * time_s).clip(0)
    return np.asarray(0.1 * syllables * voice + 0.001 * rng.normal(size=len(time_s)), np.float32)


@pytest.fixture
def recording(tmp_path) -> Callable[..., str]:
    def made(seed: int, **kwargs) -> str:
        path = str(tmp_path / f"{seed}.wav")
        sf.write(path, talk(seed, **kwargs), kwargs.get("rate", RATE), subtype="FLOAT")
        return path

    return made
