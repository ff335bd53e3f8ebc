"""Folders as corpora lay them out."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lay_out() -> Callable[..., Path]:
    """Return what writes files that nobody reads: ``lay_out(root, "wav/id1/a/1.wav", "wav/id2/b/1.wav")``."""

    def write(root: Path, *names: str) -> Path:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x")
        return root

    return write
