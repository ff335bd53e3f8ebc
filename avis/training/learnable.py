"""Refuse what nothing can be learnt from or validated on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from torch.nn.modules.batchnorm import _BatchNorm

from avis.checkpoints.components import Component
from avis.training.cropping import crop_bounds
from avis.training.micro_batches import number_of_parts
from avis.training.settings import Training


def check_local_batch(trainer: Training, model: Component[Any], num_workers: int) -> None:
    """Refuse a batch that leaves too little for each of so many workers.

    Raises
    ------
    ValueError
        See `avis.training.settings.Training.local_batch`; or if one example is left to a model with batch
        normalisation, which would be normalised by itself.
    """
    local = trainer.local_batch(num_workers)
    local //= number_of_parts(local, trainer.micro_batch_size)
    if local == 1 and any(isinstance(part, _BatchNorm) for part in model.build().modules()):
        raise ValueError(
            f"local batch of 1: got trainer.batch_size={trainer.batch_size} for {num_workers} workers, expected "
            f"at least {2 * num_workers}, since the model's batch normalisation needs 2 examples on each"
            f"{' in each micro-batch' if trainer.micro_batch_size else ''}. At trainer.batch_size. Raise it"
            f"{' and trainer.micro_batch_size' if trainer.micro_batch_size else ''}, or lower compute.num_workers."
        )


def check_trained_on(speakers: pa.ChunkedArray, durations_s: np.ndarray, crop_s: float | Sequence[float]) -> None:
    """Refuse a training on one speaker, and crops that no utterance fills.

    Parameters
    ----------
    speakers : str [utterances]
        Of the utterances that are trained on.
    durations_s : float [utterances]
        Of all training utterances.
    crop_s : float or sequence of two floats
        See `avis.training.settings.Training`.

    Raises
    ------
    ValueError
        Naming what there is too little of.
    """
    if len(names := speakers.unique().to_pylist()) < 2:
        raise ValueError(
            f"nobody to tell a speaker from: got {len(names)} training speakers, expected at least 2. At "
            f"{', '.join(names) or 'the split train'}; held-out speakers, rejected files and utterances shorter than "
            "trainer.min_utterance_s do not count. Add speakers, or hold out fewer."
        )
    shortest_s = crop_bounds(crop_s)[0]
    if shortest_s > durations_s.max():
        raise ValueError(
            f"no utterance fills a crop: got crop_s={crop_s} s, expected at most {durations_s.max():.2f} s, the "
            "longest of the training utterances. At trainer.crop_s. Lower it."
        )


def check_held_out(speakers: pa.ChunkedArray, num_workers: int) -> None:
    """Refuse held-out utterances that make no pair of one speaker or none of two, or fewer than there are workers.

    Parameters
    ----------
    speakers : str [utterances]
        Of the utterances that are validated on.
    num_workers : int

    Raises
    ------
    ValueError
        If epochs cannot be validated.
    """
    counts = [entry["counts"] for entry in speakers.value_counts().to_pylist()]
    if len(counts) < 2 or max(counts) < 2 or len(speakers) < num_workers:
        raise ValueError(
            f"nothing to validate on: got {len(speakers)} utterances of {len(counts)} held-out speakers for "
            f"{num_workers} workers, expected two speakers or more, two utterances of one of them, and an utterance "
            "for each worker. At sharding.num_validation_speakers and trainer.max_validation_utterances. Raise them."
        )
