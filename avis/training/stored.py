"""Take training examples from features that were computed before the training."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from avis import location
from avis.schema import FEATURES
from avis.training.examples import READING_S, STAGES, ExampleMaker, with_reading_time
from avis.training.plan import Block, RowGroup, read_block

DTYPE = np.float16
COLUMNS = ["speaker", "speed", "features", "num_frames"]


def copy_part(utterances_uri: str, copy: int) -> str:
    """Return the name of the part that holds one copy of the examples of a file of utterances."""
    return f"{os.path.splitext(os.path.basename(utterances_uri))[0]}-copy{copy}"


def stored_rows(maker: ExampleMaker, rows: list[dict[str, Any]], *, copy: int, banks: Mapping[str, Any]) -> pa.Table:
    """Return the features table of some utterances, augmented as in pass ``copy`` of a training."""
    stored = []
    for row in rows:
        inputs, speed = maker.example(row, pass_=copy, banks=banks)
        stored.append(
            {
                "utt_id": row["utt_id"],
                "speaker": row["speaker"],
                "speed": maker.speeds[speed],
                "features": inputs["features"].tobytes(),
                "num_frames": len(inputs["features"]),
            }
        )
    return pa.Table.from_pylist(stored, schema=FEATURES)


class StoredExamples:
    """Read examples instead of making them; see `avis.training.examples.ExampleMaker`.

    Parameters
    ----------
    uri : str
        A finished features store: the row groups of each copy are those of the utterances.
    copies : int
        How many there are of every utterance; passes take turns.
    speeds : list of float
        As they were when the copies were made.
    """

    def __init__(self, uri: str, *, copies: int, speeds: list[float]) -> None:
        self.uri, self.copies, self.speeds = uri, copies, speeds

    def read(self, block: Block) -> pa.Table:
        """Read the stored examples of a block."""
        started = time.perf_counter()
        groups = [self._stored(group, block.pass_ % self.copies) for group in block.row_groups]
        rows = read_block(replace(block, row_groups=groups), COLUMNS)
        return with_reading_time(rows, time.perf_counter() - started)

    def make(
        self, rows: pa.Table, *, pass_: int, speakers: Mapping[str, int], banks: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return the examples of some rows that `read` gave."""
        each = rows.to_pylist()
        labels = [speakers[row["speaker"]] + self.speeds.index(row["speed"]) * len(speakers) for row in each]
        seconds = np.zeros((len(each), len(STAGES)), np.float32)
        seconds[:, 0] = rows[READING_S].to_numpy()
        features = [np.frombuffer(row["features"], DTYPE).reshape(row["num_frames"], -1) for row in each]
        return {"features": np.stack(features), "speaker": np.array(labels, np.int64), "seconds": seconds}

    def _stored(self, group: RowGroup, copy: int) -> RowGroup:
        return replace(group, uri=location.join(self.uri, "features", f"{copy_part(group.uri, copy)}.parquet"))
