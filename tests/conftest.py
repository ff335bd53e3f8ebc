"""Fixtures that several packages share."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("HYDRA_FULL_ERROR", "1")
DEVELOPMENT_DATA = "AVIS_SHARED"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of development recordings (speech/, noise/, rir/), or skip."""
    folder = Path(os.environ.get(DEVELOPMENT_DATA, Path(__file__).parents[2] / "shared"))
    if not (folder / "speech").is_dir():
        pytest.skip(f"no development recordings: set {DEVELOPMENT_DATA} to their folder")
    return folder
