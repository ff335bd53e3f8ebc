from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis.scoring.enrolment import expand, read_enrolments
from avis.scoring.trials import read_trials

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


@pytest.mark.parametrize("model", ["Hi\u1ebfu", "Hie\u0302\u0301u", "Hi\u1ebfu\u00a0", "\u200bHie\u0302\u0301u"])
def test_models_are_named_alike_in_lists_and_tables(tmp_path: Path, model: str) -> None:
    (tmp_path / "models.csv").write_text(f"enroll_model,utt_id\n{model},Zoe\u0308/1\nNA,2\n", encoding="utf-8")
    (tmp_path / "list.txt").write_text("Hie\u0302\u0301u x tgt\nNA x imp\n", encoding="utf-8")
    pairs, _ = expand(read_trials(tmp_path / "list.txt"), read_enrolments(tmp_path / "models.csv"))
    assert pairs["enroll"].to_pylist() == ["Zo\u00eb/1", "2"]


def test_numbers_are_the_same_on_all_sides(tmp_path: Path) -> None:
    forms = [pa.array([7, 1000]), pa.array([7.0, 1e3]), pa.array(["7", "1000"]), pa.array(["7.0", "1000.0"])]
    for models in forms:
        pq.write_table(pa.table({"enroll_model": models, "utt_id": models}), tmp_path / "models")
        for listed in forms:
            pq.write_table(pa.table({"enroll": listed, "test": listed}), tmp_path / "list")
            trials = read_trials(tmp_path / "list")
            pairs, _ = expand(trials, read_enrolments(tmp_path / "models"))
            assert pairs["enroll"].to_pylist() == trials["test"].to_pylist() == ["7", "1000"]
    pq.write_table(pa.table({"enroll_model": [7.0, float("nan")], "utt_id": ["a", "b"]}), tmp_path / "models")
    with pytest.raises(ValueError, match="got an empty enroll_model"):
        read_enrolments(tmp_path / "models")


def test_one_utterance_in_two_forms_is_twice_in_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("enroll_model,utt_id\nm,Zoe\u0308\nm,Zo\u00eb \n", encoding="utf-8")
    with pytest.raises(ValueError, match="got 1 repeated rows"):
        read_enrolments(tmp_path / "m.csv")


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
