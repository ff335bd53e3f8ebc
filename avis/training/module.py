"""Train a speaker embedding: the LightningModule."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from avis.augment.mixup import mixup
from avis.checkpoints.ancestry import lineage_fields
from avis.checkpoints.checkpoint import HISTORY, Checkpoint
from avis.lineage import Lineage
from avis.losses.margin import set_margins
from avis.metrics.eer import equal_error_rate
from avis.metrics.roc import accuracy
from avis.training.cropping import DrawnCrops
from avis.training.examples import features_of
from avis.training.schedules import Schedule


class SpeakerVerifier(pl.LightningModule):
    """An embedding model under a loss over the training speakers.

    Parameters
    ----------
    front_end : torch.nn.Module or None
        Maps waveforms [batch, samples] to features, and learns with the model if it can; None where batches have
        features already.
    model : torch.nn.Module
        Maps features [batch, frames, mels] to embeddings [batch, dim].
    loss : torch.nn.Module
        Maps embeddings and speaker numbers to the loss and to bool [decisions]: which of its decisions among speakers
        were correct.
    optimizer : callable
        Makes the optimiser of named parameters; its learning rates are the peaks of the schedule.
    learning_rate : Schedule
        Share of the peak learning rate.
    margin : Schedule
        Share of the full height of the loss's margin, if it has one.
    mixup_alpha : float
        See `avis.augment.mixup.mixup`; 0 mixes nothing.
    num_epochs, steps_per_epoch : int
        Length of the training, by which progress is measured: the same recipe on 1 or 64 workers.
    recipe : dict
        The resolved configuration, plain data; it is kept in the checkpoint, so that the model can be built again.
    lineage : Lineage
        What it and the models before it are trained on; kept in the checkpoint, so that a test on that can be refused.
    crops : DrawnCrops, optional
        Cuts the waveforms of each training batch; without it they are trained on as they come.
    """

    def __init__(
        self,
        *,
        front_end: nn.Module | None,
        model: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[Iterable[tuple[str, nn.Parameter]]], torch.optim.Optimizer],
        learning_rate: Schedule,
        margin: Schedule,
        mixup_alpha: float,
        num_epochs: int,
        steps_per_epoch: int,
        recipe: dict[str, Any],
        lineage: Lineage,
        crops: DrawnCrops | None = None,
    ) -> None:
        super().__init__()
        self.front_end, self.model, self.loss = front_end, model, loss
        self.make_optimizer, self.learning_rate, self.margin = optimizer, learning_rate, margin
        self.mixup_alpha, self.num_epochs, self.steps_per_epoch = mixup_alpha, num_epochs, steps_per_epoch
        self.recipe, self.lineage, self.crops = recipe, lineage, crops
        self.validation: list[tuple[Tensor, list[str]]] = []
        self.history: list[dict[str, float]] = []
        self.sums = torch.zeros(3)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Embed a batch of examples."""
        return self.model(features_of(inputs, self.front_end))

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Take over the weights of a checkpoint, those of the loss where its speakers are the same.

        A voice at another speed is another speaker to the loss and comes after those at the first; where a training has
        fewer speeds, the loss's first weights are what it needs.

        Raises
        ------
        ValueError
            If the checkpoint is of another model.
        """
        own, given = self.state_dict(), dict(checkpoint.weights)
        heads = {key: given.pop(key) for key in list(given) if key.startswith("loss.")}
        if checkpoint.speakers == self.lineage.own.speakers:
            given |= {
                key: first for key, value in heads.items() if (first := _first_rows(value, own.get(key))) is not None
            }
        missing = sorted(key for key in own if not key.startswith("loss.") and key not in given)
        try:
            unexpected = self.load_state_dict(given, strict=False).unexpected_keys
        except RuntimeError as error:
            unexpected = [str(error).splitlines()[1].strip()]
        if missing or unexpected:
            raise ValueError(
                f"checkpoint of another architecture: got {(missing + unexpected)[0]!r}, expected the weights of "
                f"{type(self.model).__name__}. At start_from={checkpoint.uri}. Give a checkpoint of this model and "
                "front end."
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser of model and loss together."""
        self.optimizer = self.make_optimizer(self.named_parameters())
        self.peak_learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        return self.optimizer

    def on_train_epoch_start(self) -> None:
        """Begin to add up losses, accuracies and steps."""
        self.sums = torch.zeros(3, device=self.device)

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Set learning rate and margin by the training's progress."""
        self.set_progress((self.current_epoch + batch_idx / self.steps_per_epoch) / self.num_epochs)

    def set_progress(self, progress: float) -> None:
        """Set learning rate and margin for a progress in [0, 1]."""
        for group, peak in zip(self.optimizer.param_groups, self.peak_learning_rates, strict=True):
            group["lr"] = peak * self.learning_rate(progress)
        set_margins(self.loss, self.margin(progress))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        if self.crops is not None:
            batch = self.crops.cut(batch, self.current_epoch, batch_idx)
        loss, correct = self._loss_of(batch, batch_idx)
        if not torch.isfinite(loss):
            raise ValueError(
                f"training diverged: got loss={loss.item()}, expected a finite number. At epoch {self.current_epoch}, "
                f"step {batch_idx}. Lower optimizer.lr or lengthen the warm-up."
            )
        rate, found = self.optimizer.param_groups[0]["lr"], correct.float().mean()
        self.log_dict({"train/loss": loss, "train/accuracy": found, "train/learning_rate": rate})
        self.sums += torch.stack([loss.detach().float(), found, torch.ones_like(found)])
        return loss

    def _loss_of(self, batch: dict[str, Tensor], batch_idx: int) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, mixed in pairs if so configured, and where the speaker was found."""
        speakers = batch["speaker"]
        if not self.mixup_alpha:
            return self.loss(self(batch), speakers)
        rng = np.random.default_rng([self.recipe["seed"], self.current_epoch, batch_idx, self.global_rank])
        mixed = mixup(batch["waveforms"], alpha=self.mixup_alpha, rng=rng)
        embeddings = self(batch | {"waveforms": mixed.waveforms})
        loss, correct = self.loss(embeddings, speakers)
        partners, _ = self.loss(embeddings, speakers[mixed.partner])
        return (1.0 - mixed.share) * loss + mixed.share * partners, correct

    def validation_step(self, batch: tuple[dict[str, Tensor], list[str]], batch_idx: int) -> None:
        """Embed a batch of held-out speakers' utterances."""
        inputs, speakers = batch
        self.validation.append((self(inputs).float().cpu(), speakers))

    def on_validation_epoch_end(self) -> None:
        """Score all pairs of held-out utterances, on every worker alike."""
        shares = [self.validation]
        if torch.distributed.is_initialized():
            shares = [[] for _ in range(torch.distributed.get_world_size())]
            torch.distributed.all_gather_object(shares, self.validation)
        self.validation = []
        embeddings = torch.cat([embedding for share in shares for embedding, _ in share])
        speakers = np.array([name for share in shares for _, names in share for name in names])
        scores, target = all_pairs(embeddings.numpy(), speakers)
        eer, threshold = equal_error_rate(scores, target)
        metrics = {"val/eer": eer, "val/accuracy": accuracy(scores, target, threshold)}
        self.log_dict(metrics, sync_dist=True)
        loss, found, steps = self.sums.tolist()
        means = {"loss": loss / max(1.0, steps), "accuracy": found / max(1.0, steps)}
        self.history.append({**means, "eer": eer, "utterances": float(len(speakers))})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the recipe, the lineage and the history with the weights."""
        checkpoint |= {"recipe": self.recipe, HISTORY: self.history, **lineage_fields(self.lineage)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history of the epochs before."""
        self.history = list(checkpoint.get(HISTORY, []))


def _first_rows(value: Tensor, own: Tensor | None) -> Tensor | None:
    """Return the first rows of a weight, or all of it, if they have the shape of one's own."""
    if own is None or value.ndim != own.ndim:
        return None
    first = value[: len(own)] if own.ndim else value
    return first if first.shape == own.shape else None


def all_pairs(embeddings: np.ndarray, speakers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine scores of all pairs of different utterances, and which are of one speaker.

    Parameters
    ----------
    embeddings : float32 [utterances, dim]
    speakers : str [utterances]

    Returns
    -------
    scores : float32 [pairs]
    target : bool [pairs]

    >>> all_pairs(np.eye(3, dtype=np.float32)[[0, 0, 1]], np.array(["a", "a", "b"]))
    (array([1., 0., 0.], dtype=float32), array([ True, False, False]))
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), k=1)
    return (unit @ unit.T)[first, second], speakers[first] == speakers[second]
