from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis.scoring.enrolment import expand, read_enrolments

MODELS = pa.table({"enroll_model": ["m2", "m1", "m1"], "utt_id": ["c", "b", "a"]})


@pytest.mark.parametrize("form", ["csv", "parquet", "lines"])
def test_tables_are_read_and_sorted(tmp_path: Path, form: str) -> None:
    path = tmp_path / "models"
    if form == "parquet":
        pq.write_table(MODELS.append_column("note", pa.array([1, 2, 3])), path)
    elif form == "lines":
        path.write_text("\ufeffm2 c\n\nm1\tb  a\r\n")
    else:
        path.write_text("utt_id,enroll_model\nc,m2\nb,m1\na,m1\n")
    table = read_enrolments(path)
    assert table.to_pydict() == {"enroll_model": ["m1", "m1", "m2"], "utt_id": ["a", "b", "c"]}


def test_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "models.csv").write_text("enroll_model,utt_id\n001,0007\n")
    assert read_enrolments(tmp_path / "models.csv").to_pylist() == [{"enroll_model": "001", "utt_id": "0007"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,utt_id\na,b\n", "enrolment models cannot be read: .*columns enroll_model, utt_id"),
        ("enroll_model,utt_id\na,\n", "got an empty utt_id"),
        ("enroll_model,utt_id\na,b\na,b\n", "got 1 repeated rows.*a and b"),
        ("", "enrolment models cannot be read"),
        ("enroll_model\tutt_id\na\tb\n", "enrolment models cannot be read"),
        ("a b c\nd\n", "enrolment models cannot be read: got 'a model without utterances, d'"),
        ("a b b\n", "got 1 repeated rows.*a and b"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "models.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_enrolments(tmp_path / "models.csv")
    with pytest.raises(ValueError, match="cannot be read"):
        read_enrolments(tmp_path / "nowhere.csv")


def test_trials_are_expanded_in_order() -> None:
    models = MODELS.sort_by([("enroll_model", "ascending"), ("utt_id", "ascending")])
    trials = pa.table({"enroll": ["m2", "m1", "m2"]})
    member, trial = expand(trials, models)
    assert models["utt_id"].take(pa.array(member)).to_pylist() == ["c", "a", "b", "c"]
    assert trial.tolist() == [0, 1, 1, 2]
    with pytest.raises(ValueError, match=r"got 1 unknown models.*At m9\."):
        expand(pa.table({"enroll": ["m9"]}), models)
