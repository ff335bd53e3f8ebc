"""Save the checkpoints of a training, and end it with one when it is asked to stop."""

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
"""Between two questions of the first worker whether to stop, whose answer all workers are told at the same step."""
MOST_STEPS = 20
"""Between two questions: a step may last longer than those before."""


class Stopped(RuntimeError):  # noqa: N818 (no error)
    """The training was asked to stop and has left a checkpoint of its last step."""


class Saving(Checkpoint):
    """Save the best and the last epoch, and so many last ones as are averaged; stop when asked to.

    Nothing that it keeps says where the run lies. Which epoch is the best, `BEST` itself says, so that an epoch that is
    repeated after a break never takes the place of a better one.

    Parameters
    ----------
    run_dir : str
    average_epochs : int
    stop_asked : callable
        Returns whether the training is to stop; called by the first worker alone.
    """

    def __init__(self, run_dir: str, *, average_epochs: int, stop_asked: Callable[[], bool]) -> None:
        self.run_dir, self.average_epochs, self.stop_asked = run_dir, average_epochs, stop_asked
        self.error_rate: float | None = None
        self.saved: str | None = None
        self.stopping, self.checked, self.next_check = False, (0, 0.0), 0
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def state_dict(self) -> dict[str, Any]:
        """Return the error rate of the epoch that is saved; None within one."""
        return {HELD_OUT: self.error_rate}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look up the best epoch so far."""
        self.least = trainer.strategy.broadcast(self._least() if trainer.is_global_zero else None)
        self.checked = trainer.global_step, time.monotonic()
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
        """Save this step if the training is to stop after it; the last one of an epoch is saved at its end."""
        assert isinstance(module, SpeakerVerifier), "it knows the length of an epoch"
        if trainer.global_step >= self.next_check:
            answer = self._ask(trainer.global_step) if trainer.is_global_zero else (False, 0)
            self.stopping, self.next_check = trainer.strategy.broadcast(answer)
        if self.stopping and batch_idx + 1 < module.steps_per_epoch:
            self.error_rate, self.saved = None, f"step {batch_idx + 1}/{module.steps_per_epoch} of "
            trainer.save_checkpoint(LAST)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Stop if the step before was saved for it: its figures are logged by now."""
        if self.saved is not None:
            self._end(trainer, self.saved)

    def _end(self, trainer: pl.Trainer, step: str) -> NoReturn:
        if trainer.is_global_zero:
            print(f"stopped after {step}epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, saved", flush=True)
        raise Stopped

    def _ask(self, step: int) -> tuple[bool, int]:
        """Return whether to stop, and after which step to ask again, at the pace so far."""
        before, since = self.checked
        self.checked = step, time.monotonic()
        per_step_s = (self.checked[1] - since) / max(1, step - before)
        return self.stop_asked(), step + max(1, min(MOST_STEPS, int(CHECK_S / max(per_step_s, 1e-9))))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save the epoch, under each name that it deserves."""
        rate = float(trainer.callback_metrics[HELD_OUT])
        self.error_rate = math.inf if math.isnan(rate) else rate
        if self.least is None or self.error_rate < self.least:
            self.least = self.error_rate
            trainer.save_checkpoint(BEST)
        trainer.save_checkpoint(LAST)
        if self.average_epochs:
            trainer.save_checkpoint(f"{EPOCH}{trainer.current_epoch}")
            trainer.strategy.remove_checkpoint(f"{EPOCH}{trainer.current_epoch - self.average_epochs}")
        if self.stopping:
            self._end(trainer, "")
