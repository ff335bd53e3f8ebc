"""Scores are read from a table, a Parquet file or text, or a clear error says why not."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis import store
from avis.evaluation.score_table import ScoreTable, read_scores

SCORES = [3.0, 2.0, 1.0, -0.5, 0.5, -1.0, -2.0, -3.0]
TARGET = [True, True, True, True, False, False, False, False]
EIGHT = pa.table({"target": TARGET, "score": SCORES})


def test_text_may_begin_with_a_byte_order_mark(tmp_path: Path):
    (tmp_path / "scores.txt").write_text("1 0.5\n0 0.25\n", encoding="utf-8-sig")
    assert read_scores(ScoreTable(str(tmp_path / "scores.txt"))).trials.scores.tolist() == [0.5, 0.25]


def test_scores_that_no_trial_has_count_as_absent(written: Callable[..., str]):
    table = EIGHT.append_column("score_norm", pa.nulls(8, pa.float32())).append_column("llr", pa.nulls(8))
    scores = ScoreTable(written("x", table, row_group_size=3))
    assert (scores.deciding, scores.columns) == ("score", ["target", "score"])
    assert read_scores(scores).trials.scores.tolist() == SCORES


@pytest.mark.parametrize("column", ["score", "llr"])
def test_a_damaged_column_is_a_corrupt_shard(tmp_path: Path, column: str):
    table = pa.table({"target": TARGET, column: SCORES} | ({"score": SCORES} if column == "llr" else {}))
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    end = start + pq.ParquetFile(path).metadata.row_group(0).column(1).total_compressed_size
    data[end - 1] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {path}"):
        read_scores(ScoreTable(str(path)))


def test_a_store_of_something_else_has_no_scores(tmp_path: Path):
    store.commit_part(str(tmp_path), "part-00000", {"rejects": pa.table({"x": [1]})}, row_group_rows=10)
    store.finish(str(tmp_path), parts=[], inputs="abc", facts={})
    with pytest.raises(ValueError, match="scores missing: got a store without them"):
        ScoreTable(str(tmp_path))


def test_what_is_missing_is_named(tmp_path: Path, written: Callable[..., str]):
    with pytest.raises(ValueError, match=r"columns missing: got \['score'\].*Add target"):
        ScoreTable(written("bare", EIGHT.select(["score"])))
    unknown = pa.table({"score": SCORES, "target": [None, *TARGET[1:]]})
    with pytest.raises(ValueError, match="answers unknown: got 1 trials without target"):
        read_scores(ScoreTable(written("unknown", unknown)))
    with pytest.raises(ValueError, match=f"scores missing: .* At {tmp_path}/nothing"):
        ScoreTable(str(tmp_path / "nothing"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"store not finished: .* At {tmp_path}/folder"):
        ScoreTable(str(tmp_path / "folder"))


def test_a_few_rows_are_read_in_the_order_asked_for(
    written: Callable[..., str], stored: Callable[..., str], text: Callable[..., str]
):
    rows = [7, 0, 5, 4]
    lines = [f"{int(target)} {score}" for target, score in zip(TARGET, SCORES, strict=True)]
    for uri in (stored("store", EIGHT), written("grouped", EIGHT, row_group_size=3), text("lines", lines)):
        scores = ScoreTable(uri)
        assert scores.rows(["score", "target"], rows).to_pylist() == [
            {"score": SCORES[row], "target": TARGET[row]} for row in rows
        ]
        assert scores.rows(["score"], []).num_rows == 0


def test_a_parquet_file_may_spell_its_columns_otherwise(written: Callable[..., str]):
    spelled = pa.table({"Label": [1, 0], "Probe": ["b", "c"], "LLR": [2.0, -1.0], "enrol": ["a", "a"]})
    scores = ScoreTable(written("other", spelled))
    assert (scores.deciding, scores.columns) == ("llr", ["target", "test", "llr", "enroll"])
    assert scores.table(["enroll", "llr"], answered=False).to_pydict() == {"enroll": ["a", "a"], "llr": [2.0, -1.0]}
    assert scores.rows(["test", "llr"], [1]).to_pylist() == [{"test": "c", "llr": -1.0}]


def test_speakers_and_conditions_are_read_however_they_are_written(written: Callable[..., str]):
    table = pa.table(
        {
            "target": [True, False],
            "score": [1.0, 0.0],
            "enroll_speaker": ["Zoe\u0308", "Zo\u00eb"],
            "test_speaker": ["Zo\u00eb\u00a0", "b"],
            "place": ["Zo\u00eb", "Zoe\u0308 "],
        }
    )
    trials, columns, no_speakers = read_scores(ScoreTable(written("a", table)), columns=["place"])
    assert no_speakers is None
    assert (trials.enroll_speaker.tolist(), trials.test_speaker.tolist()) == ([0, 0], [0, 1])
    assert columns["place"].to_pylist() == ["Zo\u00eb"] * 2
    unknown = table.set_column(2, "enroll_speaker", pa.array([7.0, float("nan")]))
    note = read_scores(ScoreTable(written("b", unknown))).no_speakers
    assert note == "no interval: the scores do not say who speaks in 1 of 2 trials"


@pytest.mark.parametrize(
    ("yes", "no"), [("tgt", "imp"), ("TARGET", "Impostor"), ("True", "false"), ("same", "different")]
)
def test_answers_in_the_words_that_lists_have(yes: str, no: str, written: Callable[..., str], text: Callable[..., str]):
    for lines in ([f"a\u00a0b c {yes} 0.5", f"a\u00a0b d {no} 0.1"], [f"{yes} 0.5", f"{no} 0.1"]):
        scores = ScoreTable(text("scores", lines))
        assert scores.table(["target", "score"]).to_pydict() == {"target": [True, False], "score": [0.5, 0.1]}
    scores = ScoreTable(written("words", pa.table({"target": [yes, no], "score": [0.5, 0.1]})))
    assert scores.table(["target"])["target"].to_pylist() == [True, False]
    scores = ScoreTable(written("words", pa.table({"target": [yes, "friend"], "score": [0.5, 0.1]})))
    with pytest.raises(ValueError, match=r"An answer is one of 1, target, .*'friend'.* At .*words\.parquet"):
        scores.table(["target"])
