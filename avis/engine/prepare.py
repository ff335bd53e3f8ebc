"""Turn corpora into an utterances store: decode, check, shard to Parquet."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from hydra.utils import instantiate
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

import avis
from avis import location, store
from avis.audio.audio_error import AudioError
from avis.audio.codec import pack, quantise
from avis.audio.decode import check_duration, decode
from avis.audio.quality import measure
from avis.audio.vad import TrimChoice, VadChoice, find_speech, trim
from avis.engine.parts import run_parts
from avis.engine.session import Compute
from avis.schema import REJECTS, SOURCES, UTTERANCES

MIN_SHARDS = 8
"""Small corpora are cut into this many shards all the same, so that several workers have something to do."""

TASK = SOURCES.append(pa.field("duplicate_of", pa.string()))
EXAMPLES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """How the utterances store is made.

    Parameters
    ----------
    sample_rate : int
        Hz; every utterance is brought to it.
    encoding : {"flac", "pcm16"}
        How audio is kept in the shards.
    channel : {"mix", "first", "best"}
        What becomes of recordings with several channels, where a row of the corpus names none: their mean, the first,
        or the one of the highest speech-to-noise ratio.
    vad : {"energy", "silero"} or None
        What finds the speech, for ``speech_s`` and ``trim``: see `avis.audio.vad.find_speech`. None counts frames by
        their energy and leaves short pauses out: see `avis.audio.quality.measure`.
    trim : {"none", "ends", "all"}
        What is cut away where there is no speech: see `avis.audio.vad.trim`. Needs a ``vad``. The quality columns are
        measured before.
    min_duration_s : float
        Shorter files are rejected, trimmed or not.
    max_reject_share : float
        The run fails when more than this share of the files is rejected.
    num_validation_speakers : int
        Training speakers held out to choose checkpoints by.
    shard_rows, row_group_rows : int
        Utterances per file and per Parquet row group (the unit that training reads and mixes).
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
    row_group_rows: PositiveInt
    seed: int

    def __post_init__(self) -> None:
        if self.vad is None and self.trim != "none":
            raise ValueError(
                f"nothing to trim by: got vad=null with trim={self.trim}, expected energy or silero. At sharding.vad. "
                "Choose one, or set sharding.trim=none."
            )


class ShardMaker:
    """Decode and check the recordings of one shard; see `avis.engine.parts.PartMaker`."""

    def __init__(
        self,
        *,
        sample_rate: int,
        encoding: Literal["flac", "pcm16"],
        channel: Literal["mix", "first", "best"],
        vad: VadChoice | None,
        trim: TrimChoice,
        min_duration_s: float,
    ) -> None:
        self.sample_rate, self.encoding, self.channel = sample_rate, encoding, channel
        self.vad, self.trim, self.min_duration_s = vad, trim, min_duration_s

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the utterances and the rejects among the files of ``task``."""
        utterances, rejects = [], []
        for source in task.to_pylist():
            try:
                utterances.append(self._utterance(source))
            except AudioError as error:
                row = {"utt_id": source["utt_id"], "path": source["path"]}
                rejects.append(row | {"reason": error.reason, "detail": error.detail})
        return {
            "utterances": pa.Table.from_pylist(utterances, schema=UTTERANCES),
            "rejects": pa.Table.from_pylist(rejects, schema=REJECTS),
        }

    def _utterance(self, source: dict[str, Any]) -> dict[str, Any]:
        if source["duplicate_of"] is not None:
            raise AudioError("duplicate_id", f"the id was taken by {source['duplicate_of']}")
        samples = decode(
            source["path"],
            sample_rate=self.sample_rate,
            min_duration_s=self.min_duration_s,
            channel=source["channel"] or self.channel,
            start_s=source["start_s"],
            end_s=source["end_s"],
        )
        found = measure(samples, sample_rate=self.sample_rate)
        if self.vad is not None:
            speech = find_speech(samples, sample_rate=self.sample_rate, vad=self.vad)
            found["speech_s"] = float((speech[:, 1] - speech[:, 0]).sum() / self.sample_rate)
            samples = trim(samples, speech, sample_rate=self.sample_rate, keep=self.trim, where=source["path"])
            check_duration(len(samples) / self.sample_rate, self.min_duration_s, where=source["path"])
        values = quantise(samples)
        kept = ("utt_id", "speaker", "session", "corpus", "split", "attributes")
        return {
            **{key: source[key] for key in kept},
            **found,
            "audio": pack(values, sample_rate=self.sample_rate, encoding=self.encoding),
            "num_samples": len(samples),
            "sample_rate": self.sample_rate,
            "sha256": hashlib.sha256(pack(values, sample_rate=self.sample_rate, encoding="pcm16")).hexdigest(),
        }


def prepare(cfg: dict[str, Any]) -> str:
    """Write the utterances store of the configured corpora, or what is missing of it, and return its URI.

    The store lies in a folder named by the hash of its inputs (the files' names, sizes and times, and the sharding),
    so that it is found again, and other inputs never overwrite it.

    Raises
    ------
    ValueError
        If a speaker is in both train and test, or more files were rejected than `Sharding` allows.
    """
    sharding: Sharding = instantiate(cfg["sharding"])
    compute: Compute = instantiate(cfg["compute"])
    sources = pa.concat_tables([instantiate(corpus).sources() for corpus in cfg["corpus"]["sources"].values()])
    made_from = {key: value for key, value in vars(sharding).items() if key != "max_reject_share"}
    inputs = store.fingerprint([avis.__version__, made_from, store.table_digest(sources)])
    uri = location.join(location.absolute(cfg["output_dir"]), "stores", inputs)
    if manifest := store.finished(uri, inputs):
        _check_rejects(uri, list(manifest["files"]), len(sources), sharding.max_reject_share)
        return uri
    tasks = plan_shards(sources, sharding)
    make = partial(
        ShardMaker,
        sample_rate=sharding.sample_rate,
        encoding=sharding.encoding,
        channel=sharding.channel,
        vad=sharding.vad,
        trim=sharding.trim,
        min_duration_s=sharding.min_duration_s,
    )
    run_parts(uri, tasks, make, compute=compute, label="prepare", row_group_rows=sharding.row_group_rows)
    files = [file for record in store.committed_parts(uri).values() for file in record]
    _check_rejects(uri, files, len(sources), sharding.max_reject_share)
    store.finish(uri, parts=tasks, inputs=inputs, facts={"sharding": vars(sharding)})
    return uri


def plan_shards(sources: pa.Table, sharding: Sharding) -> dict[str, pa.Table]:
    """Assign every source to a shard, globally shuffled within its split.

    Returns
    -------
    dict of str to pyarrow.Table
        ``<split>-<number>`` to the rows of that shard, each split in shards of its own.
    """
    _check_disjoint(sources)
    sources = sources.sort_by([("utt_id", "ascending"), ("path", "ascending")])
    ids, paths = sources["utt_id"].to_pylist(), sources["path"].to_pylist()
    duplicate_of = [None, *(paths[i] if ids[i] == ids[i + 1] else None for i in range(len(ids) - 1))]
    split = _hold_out(sources, sharding)
    sources = sources.set_column(SOURCES.get_field_index("split"), SOURCES.field("split"), pa.array(split))
    sources = sources.append_column(TASK.field("duplicate_of"), pa.array(duplicate_of, pa.string())).cast(TASK)
    order = np.random.default_rng(sharding.seed).permutation(len(sources))
    tasks = {}
    for name in sorted(set(split)):
        rows = order[np.asarray(split)[order] == name]
        num_shards = max(-(-len(rows) // sharding.shard_rows), min(MIN_SHARDS, len(rows)))
        for number, shard in enumerate(np.array_split(rows, num_shards)):
            tasks[f"{name}-{number:05d}"] = sources.take(shard)
    return tasks


def _hold_out(sources: pa.Table, sharding: Sharding) -> list[str]:
    speakers, split = sources["speaker"].to_pylist(), sources["split"].to_pylist()
    counts = Counter(name for name, part in zip(speakers, split, strict=True) if part == "train")
    training = sorted(name for name, count in counts.items() if count > 1)
    if counts and not 1 < sharding.num_validation_speakers < len(training):
        raise ValueError(
            f"held-out speakers: got sharding.num_validation_speakers={sharding.num_validation_speakers}, expected "
            f"between 2 and {len(training) - 1}. At {len(training)} training speakers with two utterances or more. "
            "Hold out fewer, or add speakers."
        )
    order = np.random.default_rng([sharding.seed, 1]).permutation(len(training))
    held_out = {training[index] for index in order[: sharding.num_validation_speakers]}
    return ["validation" if name in held_out else part for name, part in zip(speakers, split, strict=True)]


def _check_disjoint(sources: pa.Table) -> None:
    pairs = set(zip(sources["speaker"].to_pylist(), sources["split"].to_pylist(), strict=True))
    shared = sorted({name for name, split in pairs if split == "train"} & {n for n, split in pairs if split == "test"})
    if shared:
        raise ValueError(
            f"speaker in train and test: got {len(shared)} speakers in both, expected none. "
            f"At {', '.join(shared[:EXAMPLES_SHOWN])}. Move all files of a speaker to one side."
        )


def _check_rejects(uri: str, files: list[str], num_sources: int, max_share: float) -> None:
    parts = [store.open_part(location.join(uri, file)).read() for file in files if file.startswith("rejects/")]
    rejects = pa.concat_tables([REJECTS.empty_table(), *parts])
    if rejects.num_rows <= max_share * num_sources:
        return
    counts = rejects["reason"].value_counts().to_pylist()
    reasons = ", ".join(f"{row['counts']} {row['values']}" for row in counts)
    examples = "; ".join(f"{row['path']}: {row['detail']}" for row in rejects.slice(0, EXAMPLES_SHOWN).to_pylist())
    raise ValueError(
        f"too many rejects: got {rejects.num_rows} of {num_sources} files ({reasons}), expected at most "
        f"{max_share:.1%}. At {uri}/rejects; {examples}. Mend the files or raise sharding.max_reject_share."
    )
