"""What tells a pipeline to stop, and when it does."""

import signal
import time

import pytest

from avis.engine.workers.stopping import EXIT_STATUS, STOPPING


@pytest.mark.parametrize(("number", "status"), EXIT_STATUS.items())
def test_a_signal_ends_a_stage_at_once(number: signal.Signals, status: int):
    before = signal.getsignal(number)
    with STOPPING.listening():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert (STOPPING.told_by, STOPPING.exit_status) == (number.name, status)
    assert signal.getsignal(number) == before


def train(*signals: signal.Signals, max_minutes: float | None = None, steps: int = 3) -> list[int]:
    """Take steps of 10 ms, signals during the first, as a training does that asks after each; return those taken."""
    taken: list[int] = []

    def take_steps() -> None:
        with STOPPING.after_a_step(max_minutes):
            while len(taken) < steps and not STOPPING.asked():
                for number in signals:
                    signal.raise_signal(number)
                time.sleep(0.01)
                taken.append(len(taken))

    with STOPPING.listening():
        if signals or max_minutes:
            with pytest.raises(KeyboardInterrupt):
                take_steps()
        else:
            take_steps()
    return taken


def test_a_training_ends_after_a_step_and_then_all_does():
    assert len(train()) == 3
    assert len(train(signal.SIGTERM)) == 1


def test_a_second_signal_ends_it_at_once():
    assert len(train(signal.SIGINT, signal.SIGINT)) == 0


def test_a_time_limit_ends_it_to_be_gone_on_with():
    assert 1 <= len(train(max_minutes=0.02 / 60, steps=1000)) < 1000
    with STOPPING.listening(), pytest.raises(KeyboardInterrupt), STOPPING.after_a_step(1e-9):
        assert (STOPPING.asked(), STOPPING.told_by, STOPPING.exit_status) == (True, "trainer.max_minutes", 75)


def test_signals_that_a_library_took_are_taken_back():
    with STOPPING.listening():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        STOPPING.listen()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    handler = signal.getsignal(signal.SIGTERM)
    STOPPING.listen()
    assert signal.getsignal(signal.SIGTERM) == handler
