"""What runs measurements that start a Ray of their own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest


@pytest.fixture
def in_own_process() -> Callable[..., None]:
    """Return what runs a measurement in a new process, apart from the Ray of other tests."""

    def run(measure: Callable[..., None], recipe: Any, **sizes: Any) -> None:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(measure, recipe, **sizes).result()

    return run
