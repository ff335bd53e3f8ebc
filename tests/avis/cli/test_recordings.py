"""The command `avis`: answers in words and as JSON, with an exit status for each."""

import io
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from avis.cli.arguments import STATUS


def test_two_recordings_are_compared_by_the_newest_model(avis, recording):
    path = recording(1)
    status, out, err = avis("verify", path, path)
    assert status == 0
    assert out.startswith("Same speaker: ")
    assert "Both are the same recording." in out
    assert err == f"model: {os.path.join('outputs', 'runs', 'demo', 'verifier')}\n"


def test_json_is_one_object(avis, recording):
    status, out, _ = avis("verify", recording(1), recording(2), "--json", "--model", "outputs/runs/demo")
    verdict = json.loads(out)
    assert status == STATUS[verdict["outcome"]]
    assert len(verdict["llr_interval"]) == 2


def test_a_recording_comes_by_standard_input(avis, recording, monkeypatch):
    path = recording(1)
    with open(path, "rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    assert avis("verify", "-", path)[0] == 0
    assert "got - twice" in avis("verify", "-", "-")[2]
    monkeypatch.setattr("sys.stdin", None)
    assert "got it closed" in avis("verify", "-", path)[2]


def test_a_folder_that_is_not_there_is_no_missing_mount(avis, recording):
    status, _, err = avis("verify", "gone/b.wav", recording(1))
    assert status == 2
    assert "no such folder: got gone, expected that of a recording. At gone/b.wav. Correct the path." in err


def test_a_bug_is_not_taken_for_an_answer(avis, recording, monkeypatch):
    monkeypatch.setattr("avis.verifier.Verifier.verify", lambda *_: 1 / 0)
    status, _, err = avis("verify", recording(1), recording(2))
    assert status == 2
    assert "ZeroDivisionError" in err
    assert "a bug of AVIS" in err


@pytest.mark.parametrize("error", [EOFError, BrokenPipeError(32, "Broken pipe")])
def test_a_pipe_that_ends_early_is_no_answer_either(avis, recording, monkeypatch, error):
    def ends(*_):
        raise error

    monkeypatch.setattr("avis.verifier.Verifier.verify", ends)
    status, _, err = avis("verify", recording(1), recording(2))
    assert (status, "ended early" in err) == (2, True)


def test_what_is_typed_wrongly_is_an_error(avis):
    for typed in (["verify"], ["verify", "a", "b", "--nope"], ["nope"]):
        assert avis(*typed)[0] == 2


def test_too_little_speech_is_3_and_a_mistake_2(avis, recording, tmp_path):
    assert avis("verify", recording(1), recording(2, duration_s=0.1))[0] == 3
    (tmp_path / "notes.txt").write_text("no audio")
    status, out, err = avis("verify", recording(1), "notes.txt")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: unreadable: not audio: got ")


def test_without_a_model_it_says_how_to_get_one(avis, recording, tmp_path, monkeypatch):
    path = recording(1)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, _, err = avis("verify", path, path)
    assert status == 2
    assert "avis train run=demo" in err
    assert (
        "--model" in avis("card", "--model", "nowhere")[2] or "no model: got neither" in avis("card", "--model", "x")[2]
    )


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_patterns_are_embedded_and_what_cannot_be_is_named(avis, recording, tmp_path, suffix):
    paths = [recording(1), recording(2)]
    (tmp_path / "a[1].txt").write_text("no audio")
    status, out, err = avis(
        "embed", str(tmp_path / "*.wav"), paths[0], "a[1].txt", "gone/b.wav", "--out", f"e.{suffix}"
    )
    assert status == 2
    assert "2 of 4 recordings embedded" in out
    assert "a[1].txt: unreadable" in err
    assert "gone/b.wav: " in err
    if suffix == "npz":
        with np.load("e.npz") as file:
            ids, embeddings = file["ids"].tolist(), file["embeddings"]
    else:
        table = pq.read_table("e.parquet")
        ids, embeddings = table["utt_id"].to_pylist(), np.array(table["embedding"].to_pylist())
    assert ids == paths
    assert embeddings.shape == (2, 16)
    assert "unknown kind of file: got e.txt" in avis("embed", paths[0], "--out", "e.txt")[2]
    assert "no file that matches *.zzz" in avis("embed", "*.zzz", "--out", "e.npz")[2]


def test_lists_of_paths_are_embedded_beside_patterns_into_kaldis_archive(avis, recording, tmp_path):
    paths = [recording(1), recording(2)]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "calls.txt").write_text(f"\ufeff../2.wav\r\n\n{paths[0]}\n")
    status, out, _ = avis("embed", str(tmp_path / "1.*"), "--list", "lists/calls.txt", "--out", "e.ark")
    assert (status, out) == (0, "2 of 2 recordings embedded\ne.ark\n")
    avis("embed", *paths, "--out", "e.npz")
    with np.load("e.npz") as file:
        embeddings = file["embeddings"]
    ids, places = zip(*(line.split() for line in (tmp_path / "e.scp").read_text().splitlines()), strict=True)
    assert ids == (paths[0], os.path.join("lists", "../2.wav"))
    for place, embedding in zip(places, embeddings, strict=True):
        archive, offset = place.rsplit(":", 1)
        with open(archive, "rb") as file:
            file.seek(int(offset) + len(b"\0BFV \4" + bytes(4)))
            np.testing.assert_array_equal(np.fromfile(file, "<f4", len(embedding)), embedding)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--out", "e.npz"], "no recordings: got none"),
        (["--list", "gone.txt", "--out", "e.npz"], "no list: got "),
        (["--list", "1.wav", "--out", "e.npz"], "no list: got "),
        (["--list", "empty.txt", "--out", "e.npz"], "no recordings: got none"),
        (["a b.wav", "--out", "e.ark"], "ids without blanks: got 1 ids with one"),
        (["a\tb.wav", "--out", "e.ark"], "ids without blanks: got 1 ids with one"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_embedded(avis, recording, tmp_path, typed, said):
    recording(1)
    (tmp_path / "empty.txt").write_text("\n")
    status, out, err = avis("embed", *typed)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert not list(tmp_path.glob("e.*"))


def test_a_name_that_is_no_text_is_refused_where_it_cannot_be_kept(avis, recording):
    name = os.fsdecode(b"\xff.wav")
    os.rename(recording(1), name)
    assert avis("embed", name, "--out", "e.npz")[0] == 0
    status, _, err = avis("embed", name, "--out", "e.parquet")
    assert status == 2
    assert "error: name is no text: got '\\udcff.wav', expected UTF-8" in err


def test_the_card_is_printed(avis):
    status, out, _ = avis("card")
    assert status == 0
    assert "## Error rates" in out
