"""Train a speaker embedding: the LightningModule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from avis.augment.mixup import mixup
from avis.augment.on_device import DRAWN, AugmentOnDevice
from avis.checkpoints.ancestry import lineage_fields
from avis.checkpoints.checkpoint import HISTORY, Checkpoint
from avis.lineage import Lineage
from avis.losses.margin import set_margins
from avis.losses.whole_batch import WholeBatch, check_speakers, set_whole_batch
from avis.metrics.eer import equal_error_rate
from avis.metrics.roc import accuracy
from avis.random_streams import stream, stream_seed
from avis.training.cropping import DrawnCrops
from avis.training.examples import features_of
from avis.training.micro_batches import micro_batches, number_of_parts
from avis.training.schedules import Schedule
from avis.training.step_figures import Figures, StepFigures, check_converging, check_weights

OFF_DEVICE = ("seconds", DRAWN)
"""What comes with a batch and is not computed with."""
EPOCH_SUMS = "epoch_sums"
"""Field of a checkpoint: losses, accuracies and number of the epoch's steps so far."""


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
    augment : AugmentOnDevice, optional
        Augments the waveforms of each training batch, before they are cut; without it they come so.
    micro_batch_size : int, optional
        See `avis.training.settings.Training`.
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
        micro_batch_size: int | None = None,
        augment: AugmentOnDevice | None = None,
    ) -> None:
        super().__init__()
        self.front_end, self.model, self.loss = front_end, model, loss
        self.make_optimizer, self.learning_rate, self.margin = optimizer, learning_rate, margin
        self.mixup_alpha, self.num_epochs, self.steps_per_epoch = mixup_alpha, num_epochs, steps_per_epoch
        self.recipe, self.lineage, self.crops, self.augment = recipe, lineage, crops, augment
        self.micro_batch_size, self.num_parts = micro_batch_size, 1
        self.validation: list[tuple[Tensor, list[str]]] = []
        self.history: list[dict[str, float]] = []
        self.sums = [0.0, 0.0, 0.0]
        self.figures, self.shares = StepFigures(), ()
        self.read: list[Figures] = []

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Embed a batch of examples."""
        features = features_of(inputs, self.front_end)
        return self.model(features.to(self.dtype) if features.is_floating_point() else features)

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
        # Else Lightning refuses to clip gradients for a fused optimiser, which could unscale them itself.
        self.optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        self.peak_learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        return self.optimizer

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Check the speakers while reading them makes no device wait, and pin what is copied to a GPU meanwhile."""
        if self.device.type == "cpu":
            return batch
        if not isinstance(batch, dict):
            inputs, speakers = batch
            return self._pinned(inputs), speakers
        check_speakers(self.loss, batch["speaker"])
        return self._pinned(batch)

    def _pinned(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.device.type != "cuda":
            return batch
        return {key: value if key in OFF_DEVICE else value.pin_memory() for key, value in batch.items()}

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move what is computed with."""
        if not isinstance(batch, dict):
            inputs, speakers = batch
            return self.transfer_batch_to_device(inputs, device, dataloader_idx), speakers
        moved = {key: value for key, value in batch.items() if key not in OFF_DEVICE}
        return {**batch, **super().transfer_batch_to_device(moved, device, dataloader_idx)}

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Set learning rate and margin by the training's progress."""
        self.set_progress((self.current_epoch + batch_idx / self.steps_per_epoch) / self.num_epochs)

    def set_progress(self, progress: float) -> None:
        """Set learning rate and margin for a progress in [0, 1]."""
        for group, peak in zip(self.optimizer.param_groups, self.peak_learning_rates, strict=True):
            group["lr"] = peak * self.learning_rate(progress)
        set_margins(self.loss, self.margin(progress))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return this worker's part of the loss of a batch; see `avis.losses.whole_batch`.

        All that is drawn at random in it follows from the training's seed, epoch, step and worker: it is the same where
        a training goes on.
        """
        shares = self._find_shares(len(batch["speaker"]))
        batch = self.prepared(batch, self.current_epoch, batch_idx)
        times = len(batch["speaker"]) // shares[self._rank] if shares else 1
        drawn_by = (self.recipe["seed"], self.current_epoch, batch_idx)
        torch.manual_seed(stream_seed(drawn_by[0], "model", *drawn_by[1:], self._rank))
        most = times * max(shares) if shares else len(batch["speaker"])
        self.num_parts = number_of_parts(most, self.micro_batch_size)
        parts = micro_batches(batch, self.num_parts)
        if self.num_parts == 1:
            set_whole_batch(self.loss, WholeBatch([times * share for share in shares], self._rank, drawn_by))
            loss, found = self._loss_of(batch, *drawn_by)
            total = loss
        else:
            loss, total, found = self._accumulated(parts, times * sum(shares) / max(1, len(shares)), drawn_by)
        self.figures.add(
            total,
            found,
            epoch=self.current_epoch,
            step=batch_idx,
            global_step=self.global_step,
            rate=self.optimizer.param_groups[0]["lr"],
        )
        return loss

    def _accumulated(
        self, parts: list[dict[str, Tensor]], mean_share: float, drawn_by: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add up the gradients of all parts of a step but the last, which Lightning adds.

        Returns
        -------
        last, total : float32 []
            Loss of the last part, and of all: this worker's part of the loss of the batch.
        found : bool [decisions]
        """
        self.optimizer.zero_grad()
        total, found = torch.zeros((), device=self.device), list[Tensor]()
        mean_share = mean_share or sum(len(part["speaker"]) for part in parts)
        for number, part in enumerate(parts):
            set_whole_batch(self.loss, WholeBatch((), self._rank, (*drawn_by, number)))
            loss, correct = self._loss_of(part, *drawn_by, number)
            loss = loss * (len(part["speaker"]) / mean_share)
            total, found = total + loss.detach(), [*found, correct]
            if part is not parts[-1]:
                self.trainer.strategy.backward(loss, None)
        return loss, total, torch.cat(found)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Clear the gradients, unless there are some of the step's first parts, before which they were cleared."""
        if self.num_parts == 1:
            optimizer.zero_grad()

    def prepared(self, batch: dict[str, Tensor], epoch: int, step: int) -> dict[str, Tensor]:
        """Return a training batch, augmented and cut as far as that is left to the device."""
        if self.augment is not None:
            batch = self.augment(batch)
        return batch if self.crops is None else self.crops.cut(batch, epoch, step)

    @property
    def _rank(self) -> int:
        return dist.get_rank() if dist.is_initialized() else 0

    def _find_shares(self, own: int) -> Sequence[int]:
        """Return how many examples each worker has of every batch, asked for once; none where one has all."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return ()
        if not self.shares:
            shares = torch.empty(dist.get_world_size(), dtype=torch.int64, device=self.device)
            dist.all_gather_into_tensor(shares, torch.tensor([own], device=self.device))
            self.shares = tuple(shares.tolist())
        assert own == self.shares[self._rank], f"{own} examples on worker {self._rank}, not as before {self.shares}"
        return self.shares

    def take_figures(self, *, exchanged_only: bool = False) -> list[Figures]:
        """Return what the steps since the last call came to; see `avis.training.step_figures.StepFigures.read`."""
        self._read_figures(exchanged_only=exchanged_only)
        taken, self.read = self.read, []
        return taken

    def _read_figures(self, *, exchanged_only: bool = False) -> None:
        figures = self.figures.read(exchanged_only=exchanged_only)
        for step in figures:
            self.sums = [sum_ + value for sum_, value in zip(self.sums, (step.loss, step.accuracy, 1), strict=True)]
        self.read += figures

    def _loss_of(self, batch: dict[str, Tensor], seed: int, *place: int) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, mixed in pairs if so configured, and where the speaker was found."""
        speakers = batch["speaker"]
        if not self.mixup_alpha:
            return self.loss(self(batch), speakers)
        mixed = mixup(
            batch["waveforms"],
            alpha=self.mixup_alpha,
            rng=stream(seed, "mixup share", *place),
            partners=stream(seed, "mixup partners", *place, self._rank),
        )
        embeddings = self(batch | {"waveforms": mixed.waveforms})
        loss, correct = self.loss(embeddings, speakers)
        partners, _ = self.loss(embeddings, speakers[mixed.partner])
        return (1.0 - mixed.share) * loss + mixed.share * partners, correct

    def validation_step(self, batch: tuple[dict[str, Tensor], list[str]], batch_idx: int) -> None:
        """Embed a batch of held-out speakers' utterances, in the training's precision."""
        inputs, speakers = batch
        self.validation.append((self(inputs).float(), speakers))  # a copy to the CPU would make a GPU wait here

    def on_validation_epoch_end(self) -> None:
        """Score all pairs of held-out utterances, on every worker alike."""
        self.validation = [(embeddings.cpu(), speakers) for embeddings, speakers in self.validation]
        shares = [self.validation]
        if torch.distributed.is_initialized():
            shares = [[] for _ in range(torch.distributed.get_world_size())]
            torch.distributed.all_gather_object(shares, self.validation)
        self.validation = []
        self._read_figures()
        embeddings = torch.cat([embedding for share in shares for embedding, _ in share])
        speakers = np.array([name for share in shares for _, names in share for name in names])
        scores, target = all_pairs(embeddings.numpy(), speakers)
        eer, threshold = equal_error_rate(scores, target)
        metrics = {"val/eer": eer, "val/accuracy": accuracy(scores, target, threshold)}
        self.log_dict(metrics, sync_dist=True)
        (loss, found, steps), self.sums = self.sums, [0.0, 0.0, 0.0]
        means = {"loss": loss / max(1.0, steps), "accuracy": found / max(1.0, steps)}
        self.history.append({**means, "eer": eer, "utterances": float(len(speakers))})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the recipe, the lineage and the history with the weights, unless the training diverged.

        Raises
        ------
        ValueError
            If a loss or a weight is no finite number.
        """
        self._read_figures()
        check_converging(self.read)
        check_weights(checkpoint.get("state_dict", {}), self.current_epoch)
        checkpoint |= {"recipe": self.recipe, HISTORY: self.history, EPOCH_SUMS: self.sums}
        checkpoint |= lineage_fields(self.lineage)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history of the epochs before."""
        self.history = list(checkpoint.get(HISTORY, []))
        self.sums = list(checkpoint.get(EPOCH_SUMS, self.sums))


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
