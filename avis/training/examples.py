"""Make training examples of utterances: crop, change speed, augment, extract features.

What is drawn for an example follows from (seed, pass, utt_id) alone: it is the same on any worker and in any order.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch

from avis.audio.codec import read_crop
from avis.audio.crop import crop_start, tile
from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.rng import example_rng
from avis.augment.spec_augment import SpecAugment
from avis.augment.speed import change_speed
from avis.training.grouping import DRAWN_BY, SPEED_DRAWN_BY, in_groups
from avis.training.plan import Block, RowGroup, read_block

COLUMNS = ["utt_id", "speaker", "audio", "num_samples"]
VALIDATION_PASS = -1


class FrontEnd(Protocol):
    """Features of waveforms; see `avis.features`."""

    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 [samples] to float32 [frames, mels]."""


class ExampleMaker:
    """Turn utterances into fixed-length examples.

    Parameters
    ----------
    features : FrontEnd
        Called with one waveform at a time.
    augment : Augment or None
        Acts on waveforms.
    spec_augment : SpecAugment or None
        Acts on features.
    speeds : list of float
        Speed factors, one of which is drawn per example; a voice at another speed is another speaker (as Kaldi's
        sre16 and WeSpeaker's recipes have it). ``[1.0]`` changes nothing.
    crop_s : float
        Length of an example; shorter utterances are repeated.
    sample_rate : int
    seed : int
    """

    def __init__(
        self,
        *,
        features: FrontEnd,
        augment: Augment | None,
        spec_augment: SpecAugment | None,
        speeds: list[float],
        crop_s: float,
        sample_rate: int,
        seed: int,
    ) -> None:
        self.features, self.augment, self.spec_augment = features, augment, spec_augment
        self.speeds, self.seed = speeds, seed
        self.crop_samples = round(crop_s * sample_rate)

    def example(self, row: Mapping[str, Any], *, pass_: int, banks: Mapping[str, Bank]) -> tuple[np.ndarray, int]:
        """Make one example of a row of the utterances table.

        Returns
        -------
        features : float32 [frames, mels]
        speed : int
            Index of the drawn factor in ``speeds``.
        """
        rng = example_rng(self.seed, pass_, row.get(DRAWN_BY, row["utt_id"]))
        speed = int(rng.integers(len(self.speeds)))
        if SPEED_DRAWN_BY in row:
            speed = int(example_rng(self.seed, pass_, row[SPEED_DRAWN_BY]).integers(len(self.speeds)))
        waveform = self._crop(row, rng, self.speeds[speed])
        if self.augment is not None:
            waveform = self.augment(waveform, rng, banks)
        features = self.features(torch.from_numpy(waveform)).numpy()
        if self.spec_augment is not None:
            features = self.spec_augment(features, rng)
        return features, speed

    def _crop(self, row: Mapping[str, Any], rng: np.random.Generator, factor: float) -> np.ndarray:
        num = math.ceil(self.crop_samples * factor)
        start = crop_start(row["num_samples"], num, rng)
        cropped = read_crop(row["audio"], start=start, num=min(num, row["num_samples"]))
        if factor != 1.0:
            cropped = change_speed(cropped, factor)
        return tile(cropped, self.crop_samples)

    def block(self, block: Block, *, speakers: Mapping[str, int], banks: Mapping[str, Bank]) -> dict[str, np.ndarray]:
        """Make the examples of a block.

        Returns
        -------
        dict
            ``features`` float32 [rows, frames, mels]; ``speaker`` int64 [rows], counting a voice at each speed as a
            speaker of its own; ``epoch`` int64 [rows].
        """
        features, labels = [], []
        for row in in_groups(read_block(block, COLUMNS).to_pylist(), block.utterances_per_speaker):
            example, speed = self.example(row, pass_=block.pass_, banks=banks)
            features.append(example)
            labels.append(speakers[row["speaker"]] + speed * len(speakers))
        return {
            "features": np.stack(features) if features else np.zeros((0, 1, 1), np.float32),
            "speaker": np.array(labels, np.int64),
            "epoch": np.full(len(labels), block.epoch, np.int64),
        }


def validation_examples(
    maker: ExampleMaker,
    row_groups: list[RowGroup],
    *,
    max_utterances: int,
    banks: Mapping[str, Bank],
    rank: int = 0,
    world_size: int = 1,
) -> tuple[torch.Tensor, list[str]]:
    """Make one worker's share of the fixed examples of held-out speakers by which checkpoints are chosen.

    Returns
    -------
    features : float32 [utterances, frames, mels]
    speakers : list of str

    Raises
    ------
    ValueError
        If there are fewer held-out utterances than workers.
    """
    features, speakers, position = [], [], 0
    for group in row_groups:
        block = Block(0, VALIDATION_PASS, [group], np.arange(group.num_rows))
        for row in read_block(block, COLUMNS).to_pylist():
            if position < max_utterances and position % world_size == rank:
                features.append(maker.example(row, pass_=VALIDATION_PASS, banks=banks)[0])
                speakers.append(row["speaker"])
            position += 1
        if position >= max_utterances:
            break
    if not features:
        raise ValueError(
            f"too few held-out utterances: got {position} for {world_size} workers, expected at least one for each. "
            "At sharding.num_validation_speakers. Raise it."
        )
    return torch.from_numpy(np.stack(features)), speakers


def speaker_index(speakers: pa.ChunkedArray) -> dict[str, int]:
    """Give each speaker of a column a number, in alphabetical order."""
    return {name: index for index, name in enumerate(sorted(speakers.unique().to_pylist()))}


def speaker_counts(speakers: pa.ChunkedArray) -> np.ndarray:
    """Return the number of rows of each speaker of a column, int64 [speakers], in the order of `speaker_index`."""
    counts = sorted(speakers.value_counts().to_pylist(), key=lambda entry: entry["values"])
    return np.array([entry["counts"] for entry in counts], np.int64)
