"""What the tests of several stages make and look at."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

SAMPLE_RATE = 16000


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Return what makes seeded noise: ``noise(seconds, seed=0, sample_rate=16000)``, float32 [samples]."""

    def made(seconds: float, *, seed: int = 0, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * sample_rate)).astype(np.float32)

    return made


@pytest.fixture(scope="session")
def speakers_folder(noise: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Return what writes ``<root>/s<speaker>/a/<number>.wav``: ``speakers_folder(root, num_speakers=4)``."""

    def made(root: Path, *, num_speakers: int, num_files: int = 2) -> Path:
        for speaker in range(num_speakers):
            folder = root / f"s{speaker}" / "a"
            folder.mkdir(parents=True)
            for number in range(num_files):
                sf.write(folder / f"{number}.wav", noise(0.6, seed=10 * speaker + number), SAMPLE_RATE)
        return root

    return made


@pytest.fixture(scope="session")
def bytes_below() -> Callable[[str], dict[str, bytes]]:
    """Return what reads all files of a folder."""

    def read(uri: str) -> dict[str, bytes]:
        folder = Path(uri)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
