"""Passing on that a training is to stop, while the main thread takes the signals."""

import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from avis.engine.workers.stop_request import StopRequest, wait_for
from avis.engine.workers.stopping import STOPPING


@pytest.fixture
def request_made() -> Any:
    """Return a request that is no actor."""
    request = StopRequest()
    return SimpleNamespace(make=SimpleNamespace(remote=request.make), is_made=request.is_made)


def test_a_training_is_told_once_the_driver_is(request_made: Any):
    ran_in: list[threading.Thread] = []

    def train() -> None:
        ran_in.append(threading.current_thread())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        give_up = time.monotonic() + 20
        while not request_made.is_made():
            assert time.monotonic() < give_up
            time.sleep(0.01)

    with STOPPING.listening():
        with pytest.raises(KeyboardInterrupt), STOPPING.after_a_step(None):
            wait_for(train, request_made)
        assert STOPPING.told_by == "SIGTERM"
    assert ran_in != [threading.main_thread()]


def test_what_ends_a_training_is_raised_here(request_made: Any):
    def train() -> None:
        raise ConnectionError("power cut")

    with pytest.raises(ConnectionError, match="power cut"):
        wait_for(train, request_made)
    assert not request_made.is_made()


def test_a_second_signal_does_not_wait_for_the_training(request_made: Any):
    def train() -> None:
        for _ in range(2):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.1)
        time.sleep(60)

    started = time.monotonic()
    with STOPPING.listening(), pytest.raises(KeyboardInterrupt), STOPPING.after_a_step(None):
        wait_for(train, request_made)
    assert time.monotonic() - started < 30
