"""Make training examples of utterances: crop, change speed, augment, extract features.

What is drawn for an example follows from (seed, pass, utt_id) alone: it is the same on any worker and in any order.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch

from avis.audio.codec import read_values, to_float
from avis.audio.crop import crop_start, tile
from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.rng import example_rng
from avis.augment.spec_augment import SpecAugment, mask_features
from avis.augment.speed import change_speed
from avis.augment.travelling import Travelling
from avis.training.grouping import DRAWN_BY, SPEED_DRAWN_BY, in_groups
from avis.training.plan import Block, RowGroup, read_block

COLUMNS = ["utt_id", "speaker", "audio", "num_samples"]
READING_S = "reading_s"
VALIDATION_PASS = -1
STAGES = ("decode", "augment", "features")
"""What an example costs: reading and decoding its crop, augmenting it, computing its features."""


class FrontEnd(Protocol):
    """Features of waveforms; see `avis.features`."""

    dim: int

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames there are of so many samples."""

    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 [samples] to float32 [frames, mels]."""


class ExampleMaker:
    """Turn utterances into fixed-length examples.

    Parameters
    ----------
    features : FrontEnd or None
        Called with one waveform at a time. None leaves the features to others: an example is a waveform.
    augment : Augment or None
        Acts on waveforms.
    spec_augment : SpecAugment or None
        Acts on features.
    on_device : bool
        An example is a waveform, and what is masked of its features; ``features`` say only how many they are.
    travelling : Travelling or None
        As what examples are sent whose speed and augmentation, though drawn here, are left to others too.
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
        features: FrontEnd | None,
        augment: Augment | None,
        spec_augment: SpecAugment | None,
        on_device: bool,
        travelling: Travelling | None,
        speeds: list[float],
        crop_s: float,
        sample_rate: int,
        seed: int,
    ) -> None:
        self.features, self.augment, self.spec_augment, self.on_device = features, augment, spec_augment, on_device
        self.speeds, self.seed = speeds, seed
        self.crop_samples, self.travelling = round(crop_s * sample_rate), travelling

    def example(
        self, row: Mapping[str, Any], *, pass_: int, banks: Mapping[str, Bank]
    ) -> tuple[dict[str, np.ndarray], int]:
        """Make one example of a row of the utterances table.

        Returns
        -------
        inputs : dict
            ``features`` float16 [frames, mels], or ``waveforms`` float32 [samples], or what
            `avis.augment.travelling.Travelling.pack` makes of these; with the latter two, where something is masked,
            ``masked`` bool [frames, mels]; ``seconds`` float32 [stages], what each of `STAGES` took.
        speed : int
            Index of the drawn factor in ``speeds``.
        """
        clock = [time.perf_counter()]
        rng = example_rng(self.seed, pass_, row.get(DRAWN_BY, row["utt_id"]))
        speed = int(rng.integers(len(self.speeds)))
        if SPEED_DRAWN_BY in row:
            speed = int(example_rng(self.seed, pass_, row[SPEED_DRAWN_BY]).integers(len(self.speeds)))
        values = self._crop(row, rng, self.speeds[speed])
        if self.travelling is not None:
            clock.append(time.perf_counter())
            drawn = [] if self.augment is None else self.augment.draw(rng, self.crop_samples, banks)
            inputs = self.travelling.pack(values, self.speeds[speed], drawn, banks)
            clock.append(time.perf_counter())
            inputs |= self._masks(rng)
        else:
            waveform = self._at_speed(values, self.speeds[speed])
            clock.append(time.perf_counter())
            if self.augment is not None:
                waveform = self.augment(waveform, rng, banks)
            clock.append(time.perf_counter())
            inputs = self._inputs(waveform, rng, row["utt_id"])
        clock.append(time.perf_counter())
        return inputs | {"seconds": np.diff(clock).astype(np.float32)}, speed

    def _crop(self, row: Mapping[str, Any], rng: np.random.Generator, factor: float) -> np.ndarray:
        num = math.ceil(self.crop_samples * factor)
        start = crop_start(row["num_samples"], num, rng)
        return read_values(row["audio"], start=start, num=min(num, row["num_samples"]))

    def _at_speed(self, values: np.ndarray, factor: float) -> np.ndarray:
        waveform = to_float(values)
        return tile(waveform if factor == 1.0 else change_speed(waveform, factor), self.crop_samples)

    def _masks(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        if self.features is None or self.spec_augment is None:
            return {}
        shape = self.features.num_frames(self.crop_samples), self.features.dim
        return {"masked": self.spec_augment(*shape, rng)}

    def _inputs(self, waveform: np.ndarray, rng: np.random.Generator, utt_id: str) -> dict[str, np.ndarray]:
        masked = self._masks(rng)
        if self.features is None or self.on_device:
            return {"waveforms": waveform, **masked}
        features = self.features(torch.from_numpy(waveform))
        if masked:
            features = mask_features(features, torch.from_numpy(masked["masked"]))
        return {"features": half(features, utt_id)}

    def read(self, block: Block) -> pa.Table:
        """Read the rows of a block, in the order in which examples are made of them."""
        started = time.perf_counter()
        rows = in_groups(read_block(block, COLUMNS), block.utterances_per_speaker)
        return with_reading_time(rows, time.perf_counter() - started)

    def make(
        self, rows: pa.Table, *, pass_: int, speakers: Mapping[str, int], banks: Mapping[str, Bank]
    ) -> dict[str, np.ndarray]:
        """Make the examples of some rows that `read` gave.

        Returns
        -------
        dict
            The inputs of `example`, joined to [rows, ...], reading counted as decoding; ``speaker`` int64 [rows],
            counting a voice at each speed as a speaker of its own.
        """
        each = rows.to_pylist()
        made = [self.example(row, pass_=pass_, banks=banks) for row in each]
        labels = [speakers[row["speaker"]] + speed * len(speakers) for row, (_, speed) in zip(each, made, strict=True)]
        joined = {key: np.stack([inputs[key] for inputs, _ in made]) for key in made[0][0]}
        joined["seconds"][:, 0] += rows[READING_S].to_numpy()
        return {**joined, "speaker": np.array(labels, np.int64)}


def half(features: torch.Tensor, utt_id: str) -> np.ndarray:
    """Return features as they travel and are kept, float16.

    Raises
    ------
    ValueError
        If they leave the range of 16-bit numbers.
    """
    travelling = features.half()
    if not torch.isfinite(travelling).all():
        raise ValueError(
            f"features out of range: got {features.abs().max():.3g}, expected at most {np.finfo(np.float16).max:.3g}, "
            f"as they travel in 16 bits. At {utt_id}. Set features.placement=device, or normalise them."
        )
    return travelling.numpy()


def with_reading_time(rows: pa.Table, seconds: float) -> pa.Table:
    """Note with each of some rows its share of the time that reading them took."""
    share = np.full(len(rows), seconds / max(1, len(rows)), np.float32)
    return rows.append_column(READING_S, pa.array(share))


def validation_examples(
    maker: ExampleMaker,
    row_groups: list[RowGroup],
    *,
    max_utterances: int,
    banks: Mapping[str, Bank],
    rank: int = 0,
    world_size: int = 1,
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Make one worker's share of the fixed examples of held-out speakers by which checkpoints are chosen.

    Returns
    -------
    inputs : dict
        Those of `ExampleMaker.example`, joined to [utterances, ...].
    speakers : list of str

    Raises
    ------
    ValueError
        If there are fewer held-out utterances than workers.
    """
    inputs, speakers, position = [], [], 0
    for group in row_groups:
        block = Block(0, VALIDATION_PASS, [group], np.arange(group.num_rows))
        for row in read_block(block, COLUMNS).to_pylist():
            if position < max_utterances and position % world_size == rank:
                inputs.append(maker.example(row, pass_=VALIDATION_PASS, banks=banks)[0])
                speakers.append(row["speaker"])
            position += 1
        if position >= max_utterances:
            break
    if not inputs:
        raise ValueError(
            f"too few held-out utterances: got {position} for {world_size} workers, expected at least one for each. "
            "At sharding.num_validation_speakers. Raise it."
        )
    return {key: torch.from_numpy(np.stack([each[key] for each in inputs])) for key in inputs[0]}, speakers


def speaker_index(speakers: pa.ChunkedArray) -> dict[str, int]:
    """Give each speaker of a column a number, in alphabetical order."""
    return {name: index for index, name in enumerate(sorted(speakers.unique().to_pylist()))}


def speaker_counts(speakers: pa.ChunkedArray) -> np.ndarray:
    """Return the number of rows of each speaker of a column, int64 [speakers], in the order of `speaker_index`."""
    counts = sorted(speakers.value_counts().to_pylist(), key=lambda entry: entry["values"])
    return np.array([entry["counts"] for entry in counts], np.int64)


def features_of(
    inputs: Mapping[str, torch.Tensor], front_end: Callable[[torch.Tensor], torch.Tensor] | None
) -> torch.Tensor:
    """Return the features of examples, computed here if `ExampleMaker` left that to others."""
    if "features" in inputs:
        return inputs["features"].float()
    assert front_end is not None, "waveforms need a front end"
    features = front_end(inputs["waveforms"])
    return mask_features(features, inputs["masked"]) if "masked" in inputs else features
