"""Log every step, many at once."""

import time
from typing import Any

import lightning.pytorch as pl

from avis.training.module import SpeakerVerifier
from avis.training.step_figures import check_converging

READ_S = 1.0
"""Between two times at which a device is waited for, for the figures of its steps."""


class StepLog(pl.Callback):
    """Write loss, accuracy and learning rate of every step to the loggers; end a training that diverged.

    They are read once in `READ_S`, at the end of each epoch and where the training ends, not at every step. The figures
    of the last step that was read are the trainer's metrics, for those who say how far the training is.
    """

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self.read_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read and write the steps when it is time, or the epoch's last is done.

        Raises
        ------
        ValueError
            If the loss of one is no finite number.
        """
        assert isinstance(module, SpeakerVerifier), "it keeps the figures of its steps"
        now = time.monotonic()
        if batch_idx + 1 < module.steps_per_epoch and now - self.read_at < READ_S:
            return
        self.read_at = now
        last = self._write(trainer, module)
        if last:
            module.log_dict(last, logger=False)

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the steps that will not be taken again."""
        if isinstance(module, SpeakerVerifier):
            self._write(trainer, module)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Write what there is, whatever ended the training."""
        if isinstance(module, SpeakerVerifier):
            self._write(trainer, module, ending=True)

    def _write(self, trainer: pl.Trainer, module: SpeakerVerifier, *, ending: bool = False) -> dict[str, float]:
        steps = module.take_figures(exchanged_only=ending)
        figures: dict[str, float] = {}
        for step in steps:
            figures = {
                "train/loss": step.loss,
                "train/accuracy": step.accuracy,
                "train/learning_rate": step.learning_rate,
            }
            for logger in trainer.loggers:
                logger.log_metrics(figures | {"epoch": step.epoch}, step.global_step)
        for logger in trainer.loggers:
            logger.save()
        if not ending:
            check_converging(steps)
        return figures
