"""Try a training step as it will be, before audio is prepared for it."""

import warnings

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor, nn
from torch.utils.data import DataLoader

from avis.engine.recipe import Recipe
from avis.lineage import Lineage
from avis.losses.building import build_loss
from avis.losses.distillation import watch_student
from avis.training.cropping import crop_bounds
from avis.training.learnable import check_local_batch
from avis.training.module import SpeakerVerifier

NUM_SPEAKERS = 3
"""Classes of the rehearsed loss, one of which is not in the batch."""
MOST_S = 1.0
"""Longer crops are rehearsed by their first second: a model that takes it takes more."""
MODEL_FRAMES = 100
"""Of features that a self-supervised model makes, which is not loaded for a rehearsal."""


def rehearse(recipe: Recipe) -> None:
    """Take one training step: features, model, loss, gradients and optimiser, in the training's precision.

    It is of made-up waveforms of one speaker each of the first two, `trainer.utterances_per_speaker` of each, as long
    as the shortest crop or `MOST_S`; the whole batch of a worker is checked by rule, since on the CPU of the driver it
    would take minutes. 16-bit floats, which are for GPUs, are rehearsed as 32-bit ones, and augmentation is not
    rehearsed, nor is a self-supervised front end, which would be fetched and loaded.

    Raises
    ------
    ValueError
        If the step fails, or a worker's batch is too small.
    """
    recipe = recipe.placed().with_teachers()
    trainer = recipe.trainer
    trainer.check_placement(recipe.examples.features.placement, recipe.examples.augment.placement)
    recipe.compute.check_precision(trainer.precision)
    if recipe.model.plain.get("num_mels") == 1:
        raise ValueError(
            "a model of mels is given waveforms: got model.num_mels=1, expected more. At features. Choose others, as "
            "fbank_80, or a model that filters waveforms itself: model=rawnet3."
        )
    speakers = torch.arange(2).repeat_interleave(trainer.utterances_per_speaker)
    try:
        _step(recipe, {**_inputs(recipe, len(speakers)), "speaker": speakers})
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if ": got " in str(error):
            raise
        raise ValueError(
            f"the training cannot take a step: got {type(error).__name__} ({str(error).strip()}), expected none from "
            f"crops of {crop_bounds(trainer.crop_s)[0]} s. At model, loss, optimizer, trainer.crop_s or "
            "trainer.precision. Change what the error speaks of; HYDRA_FULL_ERROR=1 shows where it came up."
        ) from error
    check_local_batch(trainer, recipe.model, recipe.compute.num_train_workers()[1])


def _inputs(recipe: Recipe, num: int) -> dict[str, Tensor]:
    """Return made-up crops, ``waveforms`` ``[num, samples]`` or, as the step has them, ``features``."""
    examples, front_end = recipe.examples, recipe.examples.features.front_end
    if "model" in front_end.plain:
        return {"features": torch.randn(num, MODEL_FRAMES, front_end.plain["dim"])}
    shortest_s = crop_bounds(examples.crop_s)[0]
    samples = round(min(shortest_s, MOST_S) * examples.sample_rate)
    built = examples.features.build_front_end()
    if built.num_frames(samples) < 1:
        raise ValueError(
            f"crop shorter than a frame: got trainer.crop_s={examples.crop_s} s, expected enough for one frame of the "
            f"features. At trainer.crop_s. Raise it; 2 to 4 s are usual."
        )
    waveforms = 0.1 * torch.randn(num, samples)
    if examples.features.on_device:
        return {"waveforms": waveforms}
    with torch.no_grad():
        return {"features": torch.stack([built(waveform) for waveform in waveforms])}


def _check_mixed(loss: nn.Module, embedding_dim: int, speakers: Tensor) -> None:
    """Refuse mixup for a loss that does not take speakers in any order, as partners are mixed in."""
    turns = speakers.view(2, -1).T.flatten()
    try:
        loss(torch.randn(len(turns), embedding_dim), turns)
    except ValueError as error:
        raise ValueError(
            f"loss of groups under mixup: got mixup_alpha above 0 with {type(loss).__name__}, expected 0, since an "
            "example is mixed with any other, and this loss needs those of a speaker in turn. At trainer.mixup_alpha. "
            "Set it to 0, or take a loss over the training speakers."
        ) from error


def _step(recipe: Recipe, batch: dict[str, Tensor]) -> None:
    model, in_step = recipe.model.build(), "waveforms" in batch
    loss = build_loss(recipe.loss.build(), embedding_dim=model.embedding_dim, num_speakers=NUM_SPEAKERS)
    if recipe.trainer.mixup_alpha:
        _check_mixed(loss, model.embedding_dim, batch["speaker"])
    watch_student(loss, model)
    module = SpeakerVerifier(
        front_end=recipe.examples.features.build_front_end() if in_step else None,
        model=model,
        loss=loss,
        optimizer=recipe.optimizer.build(),
        learning_rate=recipe.learning_rate.build(),
        margin=recipe.margin.build(),
        mixup_alpha=recipe.trainer.mixup_alpha if in_step else 0.0,
        num_epochs=recipe.trainer.num_epochs,
        steps_per_epoch=1,
        recipe=dict(recipe.plain),
        lineage=Lineage(),
    )
    precision = recipe.trainer.precision
    trainer = pl.Trainer(
        max_steps=1,
        accelerator="cpu",
        precision="32-true" if precision == "auto" or precision.startswith("16") else precision,
        gradient_clip_val=recipe.trainer.gradient_clip,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning, about validation and loaders, which are not rehearsed
        trainer.fit(module, DataLoader([batch], batch_size=None))  # type: ignore[arg-type]
