"""Plan the shards of an utterances store: which utterance goes into which, before anything is decoded."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from avis import names
from avis.audio.recording import Hearing
from avis.audio.vad import TrimChoice, VadChoice
from avis.schema import PLACED, SOURCES

MIN_SHARDS = 8
"""Small corpora are cut into this many shards all the same, so that several workers have something to do."""

BYTES_PER_SAMPLE = 2

LEAST_HELD_OUT, LEAST_TRAINED_ON = 2, 2
"""Speakers without whom there is no different-speaker pair to validate on, and nobody to tell a speaker from."""

EXAMPLES_SHOWN = 5

OF_THE_TRAINING = {
    "sample_rate": "the model knows no other; recordings of any rate are brought to it",
    "utterances_together": "it is for losses that compare utterances",
}
"""What scoring cannot change, and why."""


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How the utterances store is made.

    Parameters
    ----------
    sample_rate : int
        Hz; every utterance is brought to it.
    encoding : {"flac", "pcm16"}
        How audio is kept in the shards.
    channel, vad, trim, min_duration_s
        How recordings are taken in: see `avis.audio.recording.Hearing`.
    max_reject_share : float
        The run fails when more than this share of the files, rounded up, is rejected.
    num_validation_speakers : int
        Training speakers held out to choose checkpoints by.
    shard_rows, row_group_rows : int
        Utterances per file at most, and per Parquet row group (the unit that training reads and mixes).
    shard_mb : float
        MB per file at most, as they can be told before anything is decoded: the size of a recording's file, and
        16-bit samples for a segment that is listed with its end. Long recordings get smaller shards by it; a recording
        that is larger has a shard of its own.
    utterances_together : int
        Of one speaker, in the same or the next row group, for losses that compare them: a training reads a few row
        groups at a time, which of thousands of speakers hardly hold two utterances of one otherwise.
    seed : int
        Of the global shuffle and of the choice of held-out speakers.
    """

    sample_rate: PositiveInt
    encoding: Literal["flac", "pcm16"]
    channel: Literal["mix", "first", "best"]
    vad: VadChoice | None
    trim: TrimChoice
    min_duration_s: NonNegativeFloat
    max_reject_share: Annotated[float, Field(ge=0, le=1)]
    num_validation_speakers: NonNegativeInt
    shard_rows: PositiveInt
    shard_mb: PositiveFloat
    row_group_rows: PositiveInt
    utterances_together: PositiveInt
    seed: int

    def __post_init__(self) -> None:
        if self.vad is None and self.trim != "none":
            raise ValueError(
                f"nothing to trim by: got vad=null with trim={self.trim}, expected energy or silero. At sharding.vad. "
                "Choose one, or set sharding.trim=none."
            )

    @property
    def hearing(self) -> Hearing:
        """How the recordings are taken in."""
        return Hearing(**{field.name: getattr(self, field.name) for field in fields(Hearing)})

    @property
    def made_from(self) -> dict[str, Any]:
        """All that decides the content of a shard, beside its rows."""
        return {key: value for key, value in vars(self).items() if key != "max_reject_share"}


def prepared_otherwise(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training's `Sharding` with those that are given for recordings to score.

    Those that are None stay as they were; ``vad`` is switched off by ``none``.

    Raises
    ------
    ValueError
        If what belongs to the training is changed.
    """
    new = {key: value for key, value in given.items() if value is not None}
    for key, why in OF_THE_TRAINING.items():
        if new.get(key, own[key]) != own[key]:
            raise ValueError(
                f"setting of the training: got {key}={new[key]}, expected the checkpoint's {own[key]}, since {why}. "
                f"At sharding.{key}. Leave it out."
            )
    return {**own, **new, "vad": None if new.get("vad") == "none" else new.get("vad", own["vad"])}


def plan_shards(sources: pa.Table, sharding: Sharding, *, passed_over: Collection[str] = ()) -> dict[str, pa.Table]:
    """Assign every source to a shard, globally shuffled within its split.

    Parameters
    ----------
    sources : pyarrow.Table
    sharding : Sharding
    passed_over : collection of str
        Speakers that are not held out; see `pass_over`.

    Returns
    -------
    dict of str to pyarrow.Table
        ``<split>-<number>`` to the rows of that shard, each split in shards of its own.
    """
    passed = set(passed_over)
    held_out = [speaker for speaker in _in_turn(sources, sharding) if speaker not in passed]
    return cut(place(sources, held_out[: sharding.num_validation_speakers]), sharding)


def pass_over(sources: pa.Table, sharding: Sharding, *, seen: Collection[str]) -> list[str]:
    """Return the speakers whose turn to be held out it is, but who were seen by a model that a training comes from.

    Raises
    ------
    ValueError
        If others are too few.
    """
    in_turn, num = _in_turn(sources, sharding), sharding.num_validation_speakers
    known = set(names.shared(in_turn, seen))
    unseen = [place for place, speaker in enumerate(in_turn) if speaker not in known]
    if len(unseen) < num and in_turn:
        fewer = f"Hold out {len(unseen)}, add speakers" if len(unseen) > 1 else "Add two speakers or more"
        raise ValueError(
            f"held-out speakers: got sharding.num_validation_speakers={num}, expected at most {len(unseen)}, since a "
            f"model before this one was trained on the other {len(known)} and cannot be judged by them. At "
            f"{len(in_turn)} training speakers with two utterances or more. {fewer}, or give the corpus "
            "another name if they are other people."
        )
    return sorted(known.intersection(in_turn[: unseen[num - 1]])) if unseen else []


def place(sources: pa.Table, held_out: Collection[str]) -> pa.Table:
    """Sort sources by id, move held-out speakers from train to validation, and mark ids that come more than once.

    Returns
    -------
    pyarrow.Table
        In schema `avis.schema.PLACED`.

    Raises
    ------
    ValueError
        If a speaker is in both train and test, or the names of two are too much alike.
    """
    _check_speakers(sources)
    sources = sources.sort_by([("utt_id", "ascending"), ("path", "ascending")])
    ids, paths, split = (sources[name].combine_chunks() for name in ("utt_id", "path", "split"))
    again = pc.equal(ids[1:], ids[:-1])
    duplicate_of = pa.concat_arrays([pa.nulls(min(1, len(ids)), pa.string()), pc.if_else(again, paths[:-1], None)])
    moved = pc.and_(pc.equal(split, "train"), pc.is_in(sources["speaker"], pa.array(sorted(held_out), pa.string())))
    split = pc.if_else(moved, "validation", split)
    sources = sources.set_column(SOURCES.get_field_index("split"), SOURCES.field("split"), split)
    return sources.append_column(PLACED.field("duplicate_of"), duplicate_of).cast(PLACED)


def cut(
    rows: pa.Table, sharding: Sharding, *, first: Mapping[str, int] | None = None, min_rows: int = 1
) -> dict[str, pa.Table]:
    """Shuffle placed rows and cut each split into shards.

    Parameters
    ----------
    rows : pyarrow.Table
        In schema `avis.schema.PLACED`.
    first : mapping of str to int, optional
        The number that a split's shards begin with, where it isn't 0.
    min_rows : int
        To have `MIN_SHARDS` of them is no reason to make shards smaller than this.
    """
    rows = rows.combine_chunks()
    order = _shuffled(rows["speaker"].to_pylist(), together=sharding.utterances_together, seed=sharding.seed)
    num_bytes, most = _estimated_bytes(rows, sharding.sample_rate), sharding.shard_mb * 1e6
    tasks = {}
    for name in sorted(rows["split"].unique().to_pylist()):
        mine = order[np.asarray(pc.equal(rows["split"], name))[order]]
        num_shards = max(-(-len(mine) // sharding.shard_rows), min(MIN_SHARDS, -(-len(mine) // min_rows)))
        shards = [part for shard in np.array_split(mine, num_shards) for part in _halved(shard, num_bytes, most)]
        for number, shard in enumerate(shards, start=(first or {}).get(name, 0)):
            tasks[f"{name}-{number:05d}"] = rows.take(shard)
    return tasks


def _shuffled(speakers: list[str], *, together: int, seed: int) -> np.ndarray:
    """Return positions in random order, but so many of one speaker, drawn at random, in turn."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(speakers))
    if together == 1:
        return order
    drawn: Counter[str] = Counter()
    groups: dict[tuple[str, int], list[int]] = {}
    for position in order.tolist():
        speaker = speakers[position]
        groups.setdefault((speaker, drawn[speaker] // together), []).append(position)
        drawn[speaker] += 1
    in_turn = list(groups.values())
    return np.array([position for group in rng.permutation(len(in_turn)) for position in in_turn[group]], np.int64)


def _estimated_bytes(rows: pa.Table, sample_rate: int) -> np.ndarray:
    """Return what each row may take in a shard; see ``shard_mb``."""
    segments = pc.multiply(pc.subtract(rows["end_s"], rows["start_s"]), float(sample_rate * BYTES_PER_SAMPLE))
    return np.maximum(0, pc.coalesce(segments, rows["size_bytes"].cast(pa.float64())).to_numpy())


def _halved(rows: np.ndarray, num_bytes: np.ndarray, most: float) -> Iterator[np.ndarray]:
    """Cut rows in halves until none is too large."""
    if len(rows) <= 1 or num_bytes[rows].sum() <= most:
        yield rows
        return
    for half in np.array_split(rows, 2):
        yield from _halved(half, num_bytes, most)


def _in_turn(sources: pa.Table, sharding: Sharding) -> list[str]:
    """Return the training speakers with two utterances or more in the order in which they are held out."""
    per_speaker = sources.filter(pc.equal(sources["split"], "train"))["speaker"].value_counts()
    counts = {row["values"]: row["counts"] for row in per_speaker.to_pylist()}
    training = sorted(name for name, count in counts.items() if count > 1)
    most = min(len(training), len(counts) - LEAST_TRAINED_ON)
    if counts and most < LEAST_HELD_OUT:
        raise ValueError(
            f"too few training speakers: got {len(counts)}, {len(training)} of them with two utterances or more, "
            f"expected at least {LEAST_TRAINED_ON} to learn from beside {LEAST_HELD_OUT} with two utterances or more "
            "to hold out. At the split train. Add speakers, or give corpus.split=test where nothing is trained on them."
        )
    if counts and not LEAST_HELD_OUT <= sharding.num_validation_speakers <= most:
        raise ValueError(
            f"held-out speakers: got sharding.num_validation_speakers={sharding.num_validation_speakers}, expected "
            f"{LEAST_HELD_OUT} to {most}. At {len(counts)} training speakers, {len(training)} of them with two "
            f"utterances or more. Hold out as many, which leaves {LEAST_TRAINED_ON} or more to learn from."
        )
    order = np.random.default_rng([sharding.seed, 1]).permutation(len(training))
    return [training[index] for index in order]


def _check_speakers(sources: pa.Table) -> None:
    """Refuse speakers of both splits, and names that may well be one person's, which would be a speaker each."""
    train, test = (
        set(sources.filter(pc.equal(sources["split"], split))["speaker"].unique().to_pylist())
        for split in ("train", "test")
    )
    if shared := names.shared(train, test):
        written = sorted({*shared, *names.shared(test, train)})
        raise ValueError(
            f"speaker in train and test: got {len(shared)} speakers in both, expected none. "
            f"At {', '.join(written[:EXAMPLES_SHOWN])}. Move all files of a speaker to one side."
        )
    if twins := names.twins(train | test):
        raise ValueError(
            f"speakers hardly told apart: got {len(twins)} names that differ from another in letter case, blanks or "
            f"compatibility characters alone, expected none. At {names.spelled(twins)}. Write the name of one person "
            "alike everywhere; give two people names that differ in more."
        )
