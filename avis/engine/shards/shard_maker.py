"""Decode and check the recordings of a shard."""

import hashlib
from typing import Any, Literal

import pyarrow as pa

from avis.audio.audio_error import AudioError
from avis.audio.codec import pack
from avis.audio.recording import Hearing
from avis.engine.workers.attempts import ROW_DEATHS
from avis.schema import HEAVY, INDEX, REJECTS, UTTERANCES

OF_THE_SOURCE = ("utt_id", "speaker", "session", "corpus", "split", "attributes")
"""Columns of an utterance that are those of the recording it was made from."""


class ShardMaker:
    """Decode and check the recordings of one shard; see `avis.engine.workers.parts.SliceMaker`."""

    task_rows = 64

    def __init__(self, hearing: Hearing, *, encoding: Literal["flac", "pcm16"]) -> None:
        self.hearing, self.encoding = hearing, encoding

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
        recording = self.hearing.take(
            source["path"], channel=source["channel"], start_s=source["start_s"], end_s=source["end_s"]
        )
        values, rate = recording.values, self.hearing.sample_rate
        return {
            **{key: source[key] for key in OF_THE_SOURCE},
            **recording.quality,
            "audio": pack(values, sample_rate=rate, encoding=self.encoding),
            "num_samples": len(values),
            "sample_rate": rate,
            "sha256": hashlib.sha256(pack(values, sample_rate=rate, encoding="pcm16")).hexdigest(),
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
