"""Decode and check the recordings of a shard."""

import hashlib
from typing import Any, Literal

import pyarrow as pa

from avis.audio.audio_error import AudioError
from avis.audio.codec import pack, quantise
from avis.audio.decode import check_duration, decode
from avis.audio.quality import measure
from avis.audio.vad import TrimChoice, VadChoice, find_speech, trim
from avis.engine.workers.attempts import ROW_DEATHS
from avis.schema import HEAVY, INDEX, REJECTS, UTTERANCES

OF_THE_SOURCE = ("utt_id", "speaker", "session", "corpus", "split", "attributes")
"""Columns of an utterance that are those of the recording it was made from."""


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
        quality = measure(samples, sample_rate=self.sample_rate)
        if self.vad is not None:
            speech = find_speech(samples, sample_rate=self.sample_rate, vad=self.vad)
            quality["speech_s"] = float((speech[:, 1] - speech[:, 0]).sum() / self.sample_rate)
            samples = trim(samples, speech, sample_rate=self.sample_rate, keep=self.trim, where=source["path"])
            check_duration(len(samples) / self.sample_rate, self.min_duration_s, where=source["path"])
        values = quantise(samples)
        return {
            **{key: source[key] for key in OF_THE_SOURCE},
            **quality,
            "audio": pack(values, sample_rate=self.sample_rate, encoding=self.encoding),
            "num_samples": len(samples),
            "sample_rate": self.sample_rate,
            "sha256": hashlib.sha256(pack(values, sample_rate=self.sample_rate, encoding="pcm16")).hexdigest(),
        }


def _reject(source: dict[str, Any], reason: str, detail: str) -> dict[str, Any]:
    return {"utt_id": source["utt_id"], "path": source["path"], "reason": reason, "detail": detail}


def _tables(task: pa.Table, utterances: list[dict[str, Any]], rejects: list[dict[str, Any]]) -> dict[str, pa.Table]:
    made = pa.Table.from_pylist(utterances, schema=UTTERANCES)
    return {
        "utterances": made,
        INDEX: made.drop_columns(list(HEAVY)),
        "rejects": pa.Table.from_pylist(rejects, schema=REJECTS),
        "sources": task,
    }
