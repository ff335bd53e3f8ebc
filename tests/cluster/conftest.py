"""Testbeds, and what runs on them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.testbed import Testbed, missing


@pytest.fixture(scope="module")
def testbed() -> Iterator[Callable[..., Testbed]]:
    """Return what makes a testbed of machines with the names given, or skip."""
    if lacks := missing():
        pytest.skip(f"no machines can be made here: {lacks}")
    folder, beds = Path(tempfile.mkdtemp(prefix="avis-")), []

    def make(*names: str) -> Testbed:
        beds.append(Testbed(folder / str(len(beds)), *names))
        return beds[-1]

    yield make
    for bed in beds:
        bed.close()
    shutil.rmtree(folder, ignore_errors=True)
