"""Turn corpora into an utterances store: decode, check, shard to Parquet."""

import hashlib
import time
from functools import partial
from typing import Any, Literal

import pyarrow as pa
from hydra.utils import instantiate

import avis
from avis import location, store
from avis.audio.audio_error import AudioError
from avis.audio.codec import pack, quantise
from avis.audio.decode import check_duration, decode
from avis.audio.quality import measure
from avis.audio.vad import TrimChoice, VadChoice, find_speech, trim
from avis.digest import fingerprint, table_digest
from avis.engine.shards.extension import Extension, extendable, plan_extension
from avis.engine.shards.sharding import EXAMPLES_SHOWN, Sharding, plan_shards
from avis.engine.workers.attempts import ROW_DEATHS
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts
from avis.schema import REJECTS, UTTERANCES


class ShardMaker:
    """Decode and check the recordings of one shard; see `avis.engine.workers.parts.SliceMaker`."""

    task_rows = 64

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
        """Return the utterances and the rejects among the files of ``task``, and what they were made from."""
        utterances, rejects = [], []
        for source in task.to_pylist():
            try:
                utterances.append(self._utterance(source))
            except AudioError as error:
                rejects.append(_reject(source, error.reason, error.detail))
        return _tables(task, utterances, rejects)

    def crashed(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return rejects in place of files that killed their workers."""
        detail = f"the process that decoded it died {ROW_DEATHS} times: a library crashed or ran out of memory"
        return _tables(task, [], [_reject(source, "crashes_decoder", detail) for source in task.to_pylist()])

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


def _reject(source: dict[str, Any], reason: str, detail: str) -> dict[str, Any]:
    return {"utt_id": source["utt_id"], "path": source["path"], "reason": reason, "detail": detail}


def _tables(task: pa.Table, utterances: list[dict[str, Any]], rejects: list[dict[str, Any]]) -> dict[str, pa.Table]:
    return {
        "utterances": pa.Table.from_pylist(utterances, schema=UTTERANCES),
        "rejects": pa.Table.from_pylist(rejects, schema=REJECTS),
        "sources": task,
    }


def prepare(cfg: dict[str, Any]) -> str:
    """Write the utterances store of the configured corpora, or what is missing of it, and return its URI.

    The store lies in a folder named by the hash of its inputs (the files' names, sizes and times, and the sharding),
    so that it is found again, and other inputs never overwrite it. With ``extends``, shards of that store whose files
    are as they were are taken over where they lie, and only the others are made.

    Raises
    ------
    ValueError
        If a speaker is in both train and test, more files were rejected than `Sharding` allows, or the store to
        extend was made with other settings.
    """
    sharding: Sharding = instantiate(cfg["sharding"])
    compute: Compute = instantiate(cfg["compute"])
    sources = pa.concat_tables([_listed(name, corpus) for name, corpus in cfg["corpus"]["sources"].items()])
    base = location.absolute(cfg["extends"]).rstrip("/") if cfg.get("extends") else None
    of_base = [store.open_manifest(base)["inputs"]] if base else []
    inputs = fingerprint([avis.__version__, sharding.made_from, table_digest(sources), *of_base])
    uri = location.join(location.absolute(cfg["output_dir"]), "stores", inputs)
    if manifest := store.finished(uri, inputs):
        _check_rejects(uri, manifest["files"], len(sources), sharding.max_reject_share)
        return uri
    extension = plan_extension(base, sources, sharding) if base else None
    if base and extension and not extension.differs:
        print(f"{base} has these files: there is nothing to add")
        return base
    tasks, kept = _plan(uri, sources, sharding, base, extension)
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
    made = {file: info for record in store.committed_parts(uri).values() for file, info in record.items()}
    _check_rejects(uri, {**kept, **made}, len(sources), sharding.max_reject_share)
    facts = {"avis": avis.__version__, "sharding": vars(sharding), **({"extends": of_base[0]} if base else {})}
    store.finish(uri, parts=tasks, inputs=inputs, facts=facts, kept=kept)
    return uri


def _listed(name: str, corpus: dict[str, Any]) -> pa.Table:
    print(f"listing corpus {name}", flush=True)
    started = time.perf_counter()
    sources = instantiate(corpus).sources()
    print(f"corpus {name}: {len(sources)} recordings listed in {time.perf_counter() - started:.0f} s", flush=True)
    return sources


def _plan(
    uri: str, sources: pa.Table, sharding: Sharding, base: str | None, extension: Extension | None
) -> tuple[dict[str, pa.Table], dict[str, dict[str, Any]]]:
    """Return the shards to make and the files to take over, and say how a store that is there already differs."""
    if base and extension:
        print(f"kept {extension.num_kept} shards of {base}; {extension}")
        return extension.tasks, store.take_over(base, uri, extension.kept)
    tasks = plan_shards(sources, sharding)
    if not location.exists(uri) and (found := extendable(location.parent(uri), sources, sharding)):
        before, since = found
        decodes = f"{since} since {before}: extends={before} decodes only those"
        print(decodes if since.differs else f"{before} has these files: extends={before} takes it as it is")
    return tasks, {}


def _check_rejects(uri: str, files: dict[str, dict[str, Any]], num_sources: int, max_share: float) -> None:
    uris = [
        store.file_uri(uri, file, info) for file, info in files.items() if file.startswith("rejects/") and info["rows"]
    ]
    rejects = pa.concat_tables([REJECTS.empty_table(), *(store.open_part(rejected).read() for rejected in uris)])
    if rejects.num_rows <= max_share * num_sources:
        return
    counts = rejects["reason"].value_counts().to_pylist()
    reasons = ", ".join(f"{row['counts']} {row['values']}" for row in counts)
    examples = "; ".join(
        f"{row['path']}: {row['detail'].rstrip('.')}" for row in rejects.slice(0, EXAMPLES_SHOWN).to_pylist()
    )
    raise ValueError(
        f"too many rejects: got {rejects.num_rows} of {num_sources} files ({reasons}), expected at most "
        f"{max_share:.1%}. At {uri}/rejects; {examples}. Mend the files or raise sharding.max_reject_share."
    )
