from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from avis.schema import TRIALS
from avis.scoring.trials import check_both_kinds, read_trials

EXPECTED = {"enroll": ["a/1", "b/2"], "test": ["a/2", "c/3"], "target": [True, False]}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("1 a/1 a/2\n0 b/2 c/3\n", id="voxceleb"),
        pytest.param("\n  1   a/1\ta/2 \r\n\r\n \t\n0 b/2 c/3", id="blank lines, tabs, CRLF, no last newline"),
        pytest.param("\ufeff1 a/1 a/2\n0 b/2 c/3\n", id="byte order mark"),
        pytest.param("a/1 a/2 target\nb/2 c/3 nontarget\n", id="kaldi"),
        pytest.param("enroll,test,target\na/1,a/2,1\n\nb/2,c/3,0\n", id="csv"),
        pytest.param("target,test,enroll\nTrue,a/2,a/1\nfalse,c/3,b/2\n", id="csv in another order"),
        pytest.param("modelid\tsegmentid\ttargettype\na/1\ta/2\ttarget\nb/2\tc/3\tnontarget\n", id="nist key"),
        pytest.param("a/1 a/2 tgt\nb/2 c/3 imp\n", id="voices"),
        pytest.param("a/1 a/2 TARGET\nb/2 c/3 Impostor\n", id="upper case"),
        pytest.param("tgt a/1 a/2\nimp b/2 c/3\n", id="answer first"),
        pytest.param("enroll,test,label\na/1,a/2,1\nb/2,c/3,0\n", id="csv with label"),
        pytest.param("Enroll, test , Label\na/1,a/2,1.0\nb/2,c/3,0.0\n", id="floats and a loose header"),
        pytest.param("key,enroll,test\ntgt,a/1,a/2\nimp,b/2,c/3\n", id="csv with key"),
        pytest.param("enroll,test,is_target\na/1,a/2,TRUE\nb/2,c/3,False\n", id="csv with is_target"),
        pytest.param("modelid,segmentid,key\na/1,a/2,target\nb/2,c/3,nontarget\n", id="nist with key"),
        pytest.param('"enroll"\t"test"\t"target"\n"a/1"\t"a/2"\ttarget\nb/2\tc/3\tnontarget\n', id="tsv"),
    ],
)
@pytest.mark.parametrize("name", ["list.txt", "list.csv", "trials"])
def test_text_formats_are_told_from_their_content(tmp_path: Path, content: str, name: str) -> None:
    trials = read_trials(write(tmp_path / name, content))
    assert trials.schema.equals(TRIALS)
    assert trials.to_pydict() == EXPECTED


def test_a_label_beside_the_answers_is_a_condition(tmp_path: Path) -> None:
    trials = read_trials(write(tmp_path / "t", "enroll,test,target,label\na,b,1,x\nc,d,0,y\n"))
    assert trials["target"].to_pylist() == [True, False]
    assert trials["label"].to_pylist() == ["x", "y"]


def test_conditions_are_compared_as_names_are(tmp_path: Path) -> None:
    rows = "a,b,1,Zoe\u0308\nc,d,0,Zo\u00eb\u00a0\ne,f,0,NA\ng,h,0, \n"
    trials = read_trials(write(tmp_path / "t", f"enroll,test,target,place\n{rows}"))
    assert trials["place"].to_pylist() == ["Zo\u00eb", "Zo\u00eb", "NA", None]


def test_answers_that_went_through_floats_may_be_unknown(tmp_path: Path) -> None:
    columns = {"enroll": ["a", "b", "c"], "test": ["x", "y", "z"], "label": [1.0, 0.0, float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "t")
    assert read_trials(tmp_path / "t")["target"].to_pylist() == [True, False, None]


@pytest.mark.parametrize(
    "target",
    [
        pa.array([True, False]),
        pa.array([1, 0], pa.int8()),
        pa.array([1.0, 0.0]),
        pa.array(["target", "nontarget"]),
        pa.array(["1", "0"]).dictionary_encode(),
    ],
)
def test_parquet_with_answers_of_any_plain_type(tmp_path: Path, target: pa.Array) -> None:
    columns = {"target": target, "test": ["a/2", "c/3"], "enroll": pa.array(["a/1", "b/2"], pa.large_string())}
    pq.write_table(pa.table(columns), tmp_path / "trials.txt")
    trials = read_trials(str(tmp_path / "trials.txt"))
    assert trials.schema.equals(TRIALS)
    assert trials.to_pydict() == EXPECTED


def test_conditions_follow_the_answers(tmp_path: Path) -> None:
    path = write(tmp_path / "t", "gender,enroll,test,target,snr_db\nf,a,b,1,3.5\nm,c,NA,0,\n")
    trials = read_trials(path)
    assert trials.column_names == ["enroll", "test", "target", "gender", "snr_db"]
    assert trials["test"].to_pylist() == ["b", "NA"]
    assert trials["snr_db"].to_pylist() == [3.5, None]


def test_nist_keys_keep_their_conditions_and_ids_as_they_are(tmp_path: Path) -> None:
    """The header of SRE18's key; ids of digits stay text."""
    header = "modelid segmentid side targettype num_enroll_segs phone_num_match gender".replace(" ", "\t")
    path = write(tmp_path / "t", f"{header}\n0010\t007.sph\ta\ttarget\t3\tY\tmale\n0011\t7\ta\tnontarget\t1\tN\tmale\n")
    trials = read_trials(path)
    assert trials.column_names == ["enroll", "test", "target", *header.split("\t")[2:3], *header.split("\t")[4:]]
    assert trials["enroll"].to_pylist() == ["0010", "0011"]
    assert trials["test"].to_pylist() == ["007.sph", "7"]
    assert trials["target"].to_pylist() == [True, False]
    assert trials["num_enroll_segs"].to_pylist() == [3, 1]


@pytest.mark.parametrize(
    ("content", "enroll"),
    [("1 a target\n0 b c\n", ["a", "b"]), ("1 a target\nx b nontarget\n", ["1", "x"])],
    ids=["voxceleb", "kaldi"],
)
def test_where_the_first_line_leaves_two_formats_the_others_decide(
    tmp_path: Path, content: str, enroll: list[str]
) -> None:
    assert read_trials(write(tmp_path / "t", content))["enroll"].to_pylist() == enroll


@pytest.mark.parametrize(
    "content",
    [
        "enroll,test\na,b\nc,d\n",
        "enroll,test,target\na,b,\nc,d,\n",
        "modelid\tsegmentid\na\tb\nc\td\n",
        "a b\nc d\n",
        "a\tb\r\n\n c d ",
    ],
)
def test_answers_may_all_be_unknown(tmp_path: Path, content: str) -> None:
    trials = read_trials(write(tmp_path / "t", content))
    assert trials.schema.equals(TRIALS)
    assert trials["target"].null_count == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 a b\n\n0 c\n", r"has 3 words: got '0 c', .* At .*list line 3\."),
        ("1 a b\n0 c d e\n", r"has 3 words.*list line 2\."),
        ("1 a b\n0 c d\n2 e f\n", r"one of 1, target, tgt, .*got target='2'.*list line 3\."),
        ("a b target\nc d nontarget\n\ne f maybe\n", r"target='maybe'.*list line 4\."),
        ("a b target\nc d spoof\n", r"target='spoof'.*list line 2\."),
        ("enroll,test,target\na,b,1\n\nc,d\n", r"got 2 values in 'c,d', expected 3\. At .*list line 4\."),
        ("enroll,test,target\na,b,1\n\nc,d,perhaps\n", r"target='perhaps'.*list line 4\."),
        ("enroll,test,target\na,b,1\nc,,0\n", r"empty test.*list line 3\."),
        ("enroll,test,enroll\na,b,c\n", r"columns=\['enroll', 'test', 'enroll'\]"),
        ("a,b,1\nc,d,0\n", r"format of a trial list must be known: got 'a,b,1'.*line 1\."),
        ("words\n", r"must be known"),
        ("just three words\n", r"must be known"),
        ("a b\n\nc d e\n", r"has 2 words: got 'c d e'.*list line 3\."),
        ("1 a\n0 b c\n", r"must be known: got '1 a'.*list line 1\."),
        ("0.7 target\n", r"must be known: got '0.7 target'"),
        (
            "\n1 a target\n0 b nontarget\n",
            r"may be '<label> <enroll> <test>' or '<enroll> <test> <label>'.*list line 2\.",
        ),
        ("1 a target\nx b c\n", r"may be '<label> <enroll> <test>' or '<enroll> <test> <label>'.*list line 1\."),
        ("\nenroll\ttest\tmodelid\tsegmentid\n", r"names its columns in one way.*list line 2\."),
        ("modelid\tsegmentid\ttarget\ttargettype\n", r"names its columns in one way.*list line 1\."),
        ("modelid\tsegmentid\ttargettype\n1\ta\ttarget\n2\tb\tunknown\n", r"target='unknown'.*list line 3\."),
        (
            "enroll,test,label,key\na,b,1,x\n",
            r"names its columns in one way.*list line 1\. Remove or rename label or key",
        ),
        ("enroll,test,label\na,b,friend\n", r"one of 1, target, tgt.*target='friend'.*list line 2\."),
        ("enroll,test,target\n1.5E+11,b,1\n", r"names are written out: got 1 numbers.* At .*list column enroll, 1\.5E"),
        ("x" * 200_000, r"must be known"),
        ("", r"trials=0.*list"),
        (" \n\n", r"trials=0.*list"),
        ("enroll,test,target\n", r"trials=0.*list"),
        (b"1 a b\n0 c \xff\n", r"byte 0xff.*list line 2\."),
    ],
)
def test_broken_lists_name_file_and_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_trials(write(tmp_path / "list", content))


def test_broken_parquet_names_its_row(tmp_path: Path) -> None:
    table = pa.table({"enroll": ["a", "b"], "test": ["c", "d"], "target": [1, 7]})
    pq.write_table(table, tmp_path / "t")
    with pytest.raises(ValueError, match=r"target=7.*row 2\."):
        read_trials(tmp_path / "t")
    pq.write_table(table.drop_columns("test"), tmp_path / "t")
    with pytest.raises(ValueError, match="enroll, test and target once each"):
        read_trials(tmp_path / "t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 a b\n1 c d\n", r"num_target=2 and num_nontarget=0.*At list\."),
        ("a b nontarget\n", r"num_target=0 and num_nontarget=1"),
        ("enroll,test,target\na,b,1\nc,d,\n", r"num_target=1 and num_nontarget=0"),
    ],
)
def test_lists_of_one_kind_are_read_but_give_no_error_rate(tmp_path: Path, content: str, message: str) -> None:
    trials = read_trials(write(tmp_path / "list", content))
    with pytest.raises(ValueError, match=message):
        check_both_kinds(trials, where="list")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trial list cannot be read: .*none\. Correct trials"):
        read_trials(tmp_path / "none")


def test_cn_celeb_has_the_answer_last(tmp_path: Path) -> None:
    path = tmp_path / "trials.lst"
    path.write_text("id00800-enroll test/id00800-singing-01-001.wav 1\nid00800-enroll test/id00801-play-01.wav 0\n")
    assert read_trials(path).to_pylist() == [
        {"enroll": "id00800-enroll", "test": "test/id00800-singing-01-001.wav", "target": True},
        {"enroll": "id00800-enroll", "test": "test/id00801-play-01.wav", "target": False},
    ]


def test_empty_cells_at_the_ends_of_a_tab_separated_line_are_cells(tmp_path: Path) -> None:
    path = tmp_path / "trials.tsv"
    path.write_text("noise\tenroll\ttest\ttarget\n\ta\tb\t\ncar\ta\tc\t\n\n")
    trials = read_trials(path)
    assert trials.select(["enroll", "test", "target"]).to_pylist() == [
        {"enroll": "a", "test": "b", "target": None},
        {"enroll": "a", "test": "c", "target": None},
    ]
    assert trials["noise"].to_pylist() == [None, "car"]
