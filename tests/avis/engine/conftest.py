"""What the tests of several stages make and look at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

CONFIGS = Path(__file__).parents[3] / "configs"
SAMPLE_RATE = 16000
NUM_SAMPLES = 9600


@pytest.fixture(scope="session")
def speakers_folder() -> Callable[..., Path]:
    """Return what writes noise as ``<root>/s<speaker>/a/<number>.wav``: ``speakers_folder(root, num_speakers=4)``."""

    def made(root: Path, *, num_speakers: int, num_files: int = 2) -> Path:
        for speaker in range(num_speakers):
            folder = root / f"s{speaker}" / "a"
            folder.mkdir(parents=True)
            for number in range(num_files):
                noise = np.random.default_rng(10 * speaker + number).uniform(-0.3, 0.3, NUM_SAMPLES)
                sf.write(folder / f"{number}.wav", noise, SAMPLE_RATE)
        return root

    return made


@pytest.fixture(scope="session")
def bytes_below() -> Callable[[str], dict[str, bytes]]:
    """Return what reads all files of a folder."""

    def read(uri: str) -> dict[str, bytes]:
        folder = Path(uri)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Return what composes a configuration as a pipeline does, Hydra's own part included."""

    def compose_with(*overrides: str, name: str = "train") -> DictConfig:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose(name, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return DictConfig({key: value for key, value in cfg.items_ex(resolve=False) if key != "hydra"}, parent=None)

    yield compose_with
    HydraConfig.instance().cfg = None
