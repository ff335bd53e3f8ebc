"""Of a part only row groups are read that hold what is wanted."""

import pyarrow as pa
import pyarrow.parquet as pq

from avis import store
from avis.engine.trials.wanted import read_wanted


def test_row_groups_without_anything_wanted_are_passed_over(tmp_path, monkeypatch):
    path = str(tmp_path / "part.parquet")
    pq.write_table(pa.table({"utt_id": list("abcdef"), "num": range(6)}), path, row_group_size=2)
    read = []
    original = store.read_row_group
    monkeypatch.setattr(store, "read_row_group", lambda *args: read.append((args[2], args[3])) or original(*args))
    groups = list(read_wanted(path, {"f", "a", "elsewhere"}, ["utt_id", "num"]))
    assert [group.to_pydict() for group in groups] == [
        {"utt_id": ["a", "b"], "num": [0, 1]},
        {"utt_id": ["e", "f"], "num": [4, 5]},
    ]
    assert [index for index, columns in read if columns == ["utt_id", "num"]] == [0, 2]
