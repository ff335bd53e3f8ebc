"""Save the checkpoints of a training, at the end of epochs and by time, and end it with one when asked to stop."""

import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from avis.checkpoints.run_checkpoints import BEST, EPOCH, HELD_OUT, LAST, best_error_rate
from avis.training.module import SpeakerVerifier

CHECK_S = 1.0
"""Between two questions of the first worker whether to stop or save, whose answer all are told at the same step."""
MOST_STEPS = 20
"""Between two questions: a step may last longer than those before."""


class Stopped(RuntimeError):  # noqa: N818 (no error)
    """The training was asked to stop and has left a checkpoint of its last step."""


class Saving(Checkpoint):
    """Save the best and the last epoch, so many last ones as are averaged, and a step by time; stop when asked to.

    Nothing that it keeps says where the run lies. Which epoch is the best, `BEST` itself says, so that an epoch that is
    repeated after a break never takes the place of a better one.

    Parameters
    ----------
    run_dir : str
    average_epochs : int
    checkpoint_minutes : float
        Between two checkpoints within an epoch.
    stop_asked : callable
        Returns whether the training is to stop; called by the first worker alone.
    """

    def __init__(
        self, run_dir: str, *, average_epochs: int, checkpoint_minutes: float, stop_asked: Callable[[], bool]
    ) -> None:
        self.run_dir, self.average_epochs, self.stop_asked = run_dir, average_epochs, stop_asked
        self.interval_s, self.saved_at = 60 * checkpoint_minutes, 0.0
        self.error_rate: float | None = None
        self.stopped_after: str | None = None
        self.stopping, self.checked, self.next_check = False, (0, 0.0), 0
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def state_dict(self) -> dict[str, Any]:
        """Return the error rate of the epoch that is saved; None within one."""
        return {HELD_OUT: self.error_rate}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look up the best epoch so far."""
        self.least = trainer.strategy.broadcast(self._least() if trainer.is_global_zero else None)
        self.saved_at = time.monotonic()
        self.checked = trainer.global_step, self.saved_at
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.on_sigterm)  # Lightning's own would end a validation half-way

    def _least(self) -> float | None:
        try:
            return best_error_rate(self.run_dir)
        except ValueError as error:
            print(f"warning: {error} The best of the epochs to come takes its place.", flush=True)
            return None

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save this step if it is time or the training is to stop; the last one of an epoch is saved at its end."""
        assert isinstance(module, SpeakerVerifier), "it knows the length of an epoch"
        due = False
        if trainer.global_step >= self.next_check:
            answer = self._ask(trainer.global_step) if trainer.is_global_zero else (False, False, 0)
            self.stopping, due, self.next_check = trainer.strategy.broadcast(answer)
        if (self.stopping or due) and batch_idx + 1 < module.steps_per_epoch:
            self.error_rate = None
            self._save_last(trainer)
            if self.stopping:
                self.stopped_after = f"step {batch_idx + 1}/{module.steps_per_epoch} of "

    def _save_last(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(LAST)
        self.saved_at = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Stop if the step before was saved for it: its figures are logged by now."""
        if self.stopped_after is not None:
            self._end(trainer, self.stopped_after)

    def _end(self, trainer: pl.Trainer, step: str) -> NoReturn:
        trainer.strategy.checkpoint_io.teardown()  # all is written
        if trainer.is_global_zero:
            print(f"stopped after {step}epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, saved", flush=True)
        raise Stopped

    def _ask(self, step: int) -> tuple[bool, bool, int]:
        """Return whether to stop, whether to save, and after which step to ask again, at the pace so far."""
        before, since = self.checked
        self.checked = step, time.monotonic()
        per_step_s = (self.checked[1] - since) / max(1, step - before)
        due = self.checked[1] - self.saved_at >= self.interval_s
        return self.stop_asked(), due, step + max(1, min(MOST_STEPS, int(CHECK_S / max(per_step_s, 1e-9))))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save the epoch, under each name that it deserves."""
        rate = float(trainer.callback_metrics[HELD_OUT])
        self.error_rate = math.inf if math.isnan(rate) else rate
        if self.least is None or self.error_rate < self.least:
            self.least = self.error_rate
            trainer.save_checkpoint(BEST)
        if self.average_epochs:
            trainer.save_checkpoint(f"{EPOCH}{trainer.current_epoch}")
        self._save_last(trainer)  # from which no epoch is gone on with that is not kept
        if self.average_epochs:
            trainer.strategy.remove_checkpoint(f"{EPOCH}{trainer.current_epoch - self.average_epochs}")
        if self.stopping:
            self._end(trainer, "")
