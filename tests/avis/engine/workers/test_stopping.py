"""What tells a pipeline to stop, and when it does."""

import signal
import time

import pytest

from avis.engine.workers.stopping import EXIT_STATUS, STOPPING


@pytest.mark.parametrize(("number", "status"), EXIT_STATUS.items())
def test_a_signal_ends_a_stage_at_once(number: signal.Signals, status: int):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), STOPPING.listening():
        signal.raise_signal(number)
    assert (STOPPING.told_by, STOPPING.exit_status) == (number.name, status)
    assert signal.getsignal(number) == before


def test_a_training_ends_by_itself_and_then_all_does():
    went_on = False
    with pytest.raises(KeyboardInterrupt), STOPPING.listening(), STOPPING.after_a_step(None):
        assert not STOPPING.asked()
        signal.raise_signal(signal.SIGTERM)
        went_on = STOPPING.asked()
    assert went_on


def test_a_second_signal_ends_it_at_once():
    with STOPPING.listening():
        with pytest.raises(KeyboardInterrupt), STOPPING.after_a_step(None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it went on")
        STOPPING.told_by = None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_time_limit_ends_a_training_to_be_gone_on_with():
    with STOPPING.listening(), pytest.raises(KeyboardInterrupt), STOPPING.after_a_step(0.05 / 60):
        assert not STOPPING.asked()
        time.sleep(0.06)
        assert STOPPING.asked()
    assert (STOPPING.told_by, STOPPING.exit_status) == ("trainer.max_minutes", 75)


def test_signals_that_a_library_took_are_taken_back():
    with STOPPING.listening():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        STOPPING.listen()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    handler = signal.getsignal(signal.SIGTERM)
    STOPPING.listen()
    assert signal.getsignal(signal.SIGTERM) == handler
