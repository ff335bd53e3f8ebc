import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from avis.schema import TRIALS
from avis.scoring.trials import gather, read_trials, resolve

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
        pytest.param('"enroll"\t"test"\t"target"\n"a/1"\t"a/2"\ttarget\nb/2\tc/3\tnontarget\n', id="tsv"),
    ],
)
@pytest.mark.parametrize("name", ["list.txt", "list.csv", "trials"])
def test_text_formats_are_told_from_their_content(tmp_path: Path, content: str, name: str) -> None:
    trials = read_trials(write(tmp_path / name, content))
    assert trials.schema.equals(TRIALS)
    assert trials.to_pydict() == EXPECTED


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


@pytest.mark.parametrize("content", ["enroll,test\na,b\nc,d\n", "enroll,test,target\na,b,\nc,d,\n"])
def test_answers_may_all_be_unknown(tmp_path: Path, content: str) -> None:
    trials = read_trials(write(tmp_path / "t", content))
    assert trials.schema.equals(TRIALS)
    assert trials["target"].null_count == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 a b\n\n0 c\n", r"three words: got '0 c', .* At .*list line 3\."),
        ("1 a b\n0 c d e\n", r"three words.*list line 2\."),
        ("1 a b\n0 c d\n2 e f\n", r"one of 1, 0: got target='2'.*list line 3\."),
        ("a b target\nc d nontarget\n\ne f maybe\n", r"target='maybe'.*list line 4\."),
        ("a b target\nc d 0\n", r"target='0'.*list line 2\."),
        ("enroll,test,target\na,b,1\n\nc,d\n", r"got 2 values in 'c,d', expected 3\. At .*list line 4\."),
        ("enroll,test,target\na,b,1\n\nc,d,perhaps\n", r"target='perhaps'.*list line 4\."),
        ("enroll,test,target\na,b,1\nc,,0\n", r"empty test.*list line 3\."),
        ("enroll,test,enroll\na,b,c\n", r"columns=\['enroll', 'test', 'enroll'\]"),
        ("a,b,1\nc,d,0\n", r"format of a trial list must be known: got 'a,b,1'.*line 1\."),
        ("just words\n", r"must be known"),
        ("", r"trials=0.*list"),
        (" \n\n", r"trials=0.*list"),
        ("enroll,test,target\n", r"trials=0.*list"),
        ("1 a b\n1 c d\n", r"num_target=2 and num_nontarget=0"),
        ("a b nontarget\n", r"num_target=0 and num_nontarget=1"),
        ("enroll,test,target\na,b,1\nc,d,\n", r"num_target=1 and num_nontarget=0"),
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


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trial list cannot be read: .*none\. Correct trials"):
        read_trials(tmp_path / "none")


def test_a_million_lines_take_seconds(tmp_path: Path) -> None:
    ids = [f"id{i:05d}/abcdefghijk/00001" for i in range(5000)]
    lines = [f"{i % 2} {ids[i]}.wav {ids[i - 1]}.wav" for i in range(5000)]
    path = write(tmp_path / "t", "\n".join(lines * 200))
    known = pa.array([f"vox/{name}" for name in ids])
    start = time.process_time()
    trials = read_trials(path)
    assert trials.num_rows == 1_000_000
    resolved = resolve(trials, known, corpora=["vox"])
    assert time.process_time() - start < 6.0
    assert gather(resolved["enroll"], known).shape == (1_000_000,)


def trial_table(*pairs: tuple[str, str]) -> pa.Table:
    enroll, test = zip(*pairs, strict=True)
    return pa.table({"enroll": list(enroll), "test": list(test), "target": [True] * len(pairs)}, schema=TRIALS)


@pytest.mark.parametrize("listed", ["vox/a/1", "a/1", "a/1.wav", "vox/a/1.flac", "a/1.OPUS", "a/1.mp3", "a/1.m4a"])
def test_ids_with_and_without_corpus_and_suffix(listed: str) -> None:
    resolved = resolve(trial_table((listed, "b/2")), pa.array(["vox/b/2", "vox/a/1"]), corpora=["vox"])
    assert resolved["enroll"].to_pylist() == ["vox/a/1"]
    assert resolved["test"].to_pylist() == ["vox/b/2"]


def test_an_exact_id_wins_over_a_derived_one() -> None:
    known = pa.chunked_array([["x.wav", "x"], ["vox/x", "y"]])
    resolved = resolve(trial_table(("x.wav", "y"), ("x", "y")), known, corpora=["vox"])
    assert resolved["enroll"].to_pylist() == ["x.wav", "x"]


def test_rows_order_and_conditions_survive() -> None:
    trials = trial_table(("b", "a"), ("a", "c"), ("b", "c")).append_column("noise", pa.array([1, 2, 3]))
    resolved = resolve(trials, pa.array(["v/a", "v/b", "v/c"]), corpora=["v"])
    assert resolved.column_names == trials.column_names
    assert resolved["enroll"].to_pylist() == ["v/b", "v/a", "v/b"]
    assert resolved["noise"].to_pylist() == [1, 2, 3]
    assert resolved.schema.field("enroll").equals(TRIALS.field("enroll"))


def test_unknown_ids_are_named_up_to_ten() -> None:
    trials = trial_table(*((f"missing{i:02d}", "a") for i in range(12)))
    with pytest.raises(ValueError, match=r"12 unknown ids.*missing00, .*missing09 and 2 more\. ") as error:
        resolve(trials, pa.array(["a"]), corpora=["vox"])
    assert "missing10" not in str(error.value)


def test_self_trials_are_named_even_if_spelt_differently() -> None:
    with pytest.raises(ValueError, match=r"got 1 trials of an utterance with itself.*At vox/a\."):
        resolve(trial_table(("a.wav", "vox/a"), ("a", "b")), pa.array(["vox/a", "vox/b"]), corpora=["vox"])


def test_gather_finds_rows() -> None:
    known = pa.chunked_array([["u", "v"], ["w"]])
    rows = gather(pa.chunked_array([["w"], ["u", "w"]]), known)
    assert rows.dtype == np.int64
    assert rows.tolist() == [2, 0, 2]


def test_gather_refuses_missing_and_repeated_rows() -> None:
    with pytest.raises(ValueError, match=r"got 1 utterances without one.*At z\."):
        gather(pa.array(["u", "z", "z"]), pa.array(["u"]))
    with pytest.raises(ValueError, match=r"got 1 repeated utt_ids.*At u\."):
        gather(pa.array(["u"]), pa.array(["u", "v", "u"]))


def test_id_in_two_corpora_is_ambiguous() -> None:
    known = pa.array(["one/a", "two/a", "one/b"])
    with pytest.raises(ValueError, match="several corpora"):
        resolve(trial_table(("a", "b")), known, corpora=["one", "two"])
    resolved = resolve(trial_table(("two/a", "b")), known, corpora=["one", "two"])
    assert resolved["enroll"].to_pylist() == ["two/a"]
    assert resolved["test"].to_pylist() == ["one/b"]
