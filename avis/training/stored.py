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
from avis.training.examples import STAGES, ExampleMaker
from avis.training.plan import Block, RowGroup, read_block

DTYPE = np.float16
COLUMNS = ["speaker", "speed", "features", "num_frames"]


def copy_part(utterances_uri: str, copy: int) -> str:
    """Return the name of the part that holds one copy of the examples of a file of utterances."""
    return f"{os.path.splitext(os.path.basename(utterances_uri))[0]}-copy{copy}"


def stored_rows(maker: ExampleMaker, rows: list[dict[str, Any]], *, copy: int, banks: Mapping[str, Any]) -> pa.Table:
    """Return the features table of some utterances, augmented as in pass ``copy`` of a training.

    Raises
    ------
    ValueError
        If features leave the range of 16-bit numbers.
    """
    stored = []
    for row in rows:
        inputs, speed = maker.example(row, pass_=copy, banks=banks)
        with np.errstate(over="ignore"):
            features = inputs["features"].astype(DTYPE)
        if not np.isfinite(features).all():
            raise ValueError(
                f"features too large to be kept: got {np.abs(inputs['features']).max():.3g}, expected at most "
                f"{np.finfo(DTYPE).max:.3g}. At {row['utt_id']}. Choose features.placement=stream, or normalise them."
            )
        stored.append(
            {
                "utt_id": row["utt_id"],
                "speaker": row["speaker"],
                "speed": maker.speeds[speed],
                "features": features.tobytes(),
                "num_frames": len(features),
            }
        )
    return pa.Table.from_pylist(stored, schema=FEATURES)


class StoredExamples:
    """Read examples instead of making them; see `avis.training.examples.ExampleMaker.block`.

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

    def block(self, block: Block, *, speakers: Mapping[str, int], banks: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Read the examples of a block."""
        started = time.perf_counter()
        groups = [self._stored(group, block.pass_ % self.copies) for group in block.row_groups]
        rows = read_block(replace(block, row_groups=groups), COLUMNS).to_pylist()
        labels = [speakers[row["speaker"]] + self.speeds.index(row["speed"]) * len(speakers) for row in rows]
        examples = {
            "speaker": np.array(labels, np.int64),
            "epoch": np.full(len(rows), block.epoch, np.int64),
        }
        if rows:
            features = [np.frombuffer(row["features"], DTYPE).reshape(row["num_frames"], -1) for row in rows]
            examples["features"] = np.stack(features).astype(np.float32)
            examples["seconds"] = np.zeros((len(rows), len(STAGES)), np.float32)
            examples["seconds"][:, 0] = (time.perf_counter() - started) / len(rows)
        return examples

    def _stored(self, group: RowGroup, copy: int) -> RowGroup:
        return replace(group, uri=location.join(self.uri, "features", f"{copy_part(group.uri, copy)}.parquet"))
