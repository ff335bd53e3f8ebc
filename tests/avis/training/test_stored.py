"""Features kept beforehand: as the example maker gives them, rounded to 16 bits."""

from typing import Any

import numpy as np
import pytest
import torch

from avis.training.examples import half
from avis.training.stored import copy_part, stored_rows


class Loud:
    """An example maker whose features are the row's own."""

    speeds = (1.0, 0.9)

    def example(self, row: dict[str, Any], *, pass_: int, banks: dict[str, Any]) -> tuple[dict[str, np.ndarray], int]:
        return {"features": half(torch.full((3, 2), row["value"]), row["utt_id"])}, pass_


def row(value: float) -> dict[str, Any]:
    return {"utt_id": "u", "speaker": "s", "value": value}


def test_rows_say_their_speed_and_hold_float16():
    table = stored_rows(Loud(), [row(0.1), row(7.0)], copy=1, banks={}).to_pylist()
    assert [one["speed"] for one in table] == [0.9, 0.9]
    assert [one["num_frames"] for one in table] == [3, 3]
    np.testing.assert_array_equal(np.frombuffer(table[0]["features"], np.float16), np.full(6, np.float16(0.1)))


@pytest.mark.parametrize("value", [7e4, np.inf, np.nan])
def test_what_16_bits_cannot_hold_is_refused(value: float):
    with pytest.raises(ValueError, match=r"features out of range: got .* At u\. Set features\.placement"):
        stored_rows(Loud(), [row(value)], copy=0, banks={})


def test_each_copy_of_a_file_has_its_own_part():
    assert copy_part("s3://bucket/utterances/train-00001.parquet", 2) == "train-00001-copy2"
