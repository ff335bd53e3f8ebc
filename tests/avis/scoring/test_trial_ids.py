import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avis.audio.listing import AUDIO_SUFFIXES
from avis.corpora.files import without_suffix
from avis.schema import TRIALS
from avis.scoring.trial_ids import gather, resolve
from avis.scoring.trials import read_trials


@pytest.mark.slow
def test_a_million_lines_take_seconds(tmp_path: Path) -> None:
    ids = [f"id{i:05d}/abcdefghijk/00001" for i in range(5000)]
    lines = [f"{i % 2} {ids[i]}.wav {ids[i - 1]}.wav" for i in range(5000)]
    path = tmp_path / "t"
    path.write_text("\n".join(lines * 200))
    known = pa.array([f"vox/{name}" for name in ids])
    start = time.process_time()
    trials = read_trials(path)
    assert trials.num_rows == 1_000_000
    resolved, rows = resolve(trials, known, corpora=["vox"])
    assert time.process_time() - start < 6.0
    np.testing.assert_array_equal(gather(resolved["enroll"], known), rows[0])
    np.testing.assert_array_equal(gather(resolved["test"], known), rows[1])


def trial_table(*pairs: tuple[str, str]) -> pa.Table:
    enroll, test = zip(*pairs, strict=True)
    return pa.table({"enroll": list(enroll), "test": list(test), "target": [True] * len(pairs)}, schema=TRIALS)


@pytest.mark.parametrize("listed", ["vox/a/1", "a/1", "a/1.wav", "vox/a/1.flac", "a/1.OPUS", "a/1.mp3", "a/1.m4a"])
def test_ids_with_and_without_corpus_and_suffix(listed: str) -> None:
    resolved, _ = resolve(trial_table((listed, "b/2")), pa.array(["vox/b/2", "vox/a/1"]), corpora=["vox"])
    assert resolved["enroll"].to_pylist() == ["vox/a/1"]
    assert resolved["test"].to_pylist() == ["vox/b/2"]


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_every_format_that_corpora_list_is_understood(suffix: str) -> None:
    for written in (suffix, suffix.upper()):
        resolved, _ = resolve(trial_table((f"a/1.x{written}", "b")), pa.array(["vox/b", "vox/a/1.x"]), corpora=["vox"])
        assert resolved["enroll"].to_pylist() == ["vox/a/1.x"]
        assert without_suffix(f"a/1.x{written}") == "a/1.x"


@pytest.mark.parametrize("known", ["vox/Hi\u1ebfu/s1/1", "vox/Hie\u0302\u0301u/s1/1", "vox/Hi\u1ebfu /s1/1"])
@pytest.mark.parametrize(
    "listed",
    [
        "Hi\u1ebfu/s1/1",
        "Hie\u0302\u0301u/s1/1.wav",
        "vox/Hie\u0302\u0301u/s1/1",
        "\ufeffHi\u1ebfu\u00a0/s1/1 .wav\u200b",
    ],
)
def test_ids_in_another_form_than_the_store_s(listed: str, known: str) -> None:
    resolved, rows = resolve(trial_table((listed, "b")), pa.array(["vox/b", known]), corpora=["vox"])
    assert resolved["enroll"].to_pylist() == [known]
    assert rows.tolist() == [[1], [0]]


def test_an_exact_id_wins_over_a_derived_one() -> None:
    known = pa.chunked_array([["x.wav", "x"], ["vox/x", "y"]])
    resolved, _ = resolve(trial_table(("x.wav", "y"), ("x", "y")), known, corpora=["vox"])
    assert resolved["enroll"].to_pylist() == ["x.wav", "x"]


def test_rows_order_and_conditions_survive() -> None:
    trials = trial_table(("b", "a"), ("a", "c"), ("b", "c")).append_column("noise", pa.array([1, 2, 3]))
    resolved, _ = resolve(trials, pa.array(["v/a", "v/b", "v/c"]), corpora=["v"])
    assert resolved.column_names == trials.column_names
    assert resolved["enroll"].to_pylist() == ["v/b", "v/a", "v/b"]
    assert resolved["noise"].to_pylist() == [1, 2, 3]
    assert resolved.schema.field("enroll").equals(TRIALS.field("enroll"))


def test_unknown_ids_are_named_up_to_ten() -> None:
    trials = trial_table(*((f"missing{i:02d}", "a") for i in range(12)))
    with pytest.raises(ValueError, match=r"12 unknown ids.*missing00, .*missing09 and 2 more\. ") as error:
        resolve(trials, pa.array(["a"]), corpora=["vox"])
    assert "missing10" not in str(error.value)


def test_missing_ids_are_left_out_where_asked() -> None:
    trials = trial_table(("a", "b"), ("a", "nobody"), ("nobody", "b"), ("b", "a.wav")).append_column(
        "noise", pa.array([1, 2, 3, 4])
    )
    resolved, _ = resolve(trials, pa.array(["a", "b"]), corpora=["vox"], leave_out_missing=True)
    assert resolved["noise"].to_pylist() == [1, 4]
    assert resolved["test"].to_pylist() == ["b", "a"]
    assert resolved.schema.field("enroll").equals(TRIALS.field("enroll"))


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
    resolved, _ = resolve(trial_table(("two/a", "b")), known, corpora=["one", "two"])
    assert resolved["enroll"].to_pylist() == ["two/a"]
    assert resolved["test"].to_pylist() == ["one/b"]
