import os
from pathlib import Path

import pytest

from avis.corpora.kaldi import Kaldi


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / name.replace("wav_scp", "wav.scp")).write_text(text)
    return root


def corpus(root: Path, audio_root: str | None = None, *, allow_outside: bool = False) -> Kaldi:
    return Kaldi(name="k", root=str(root), audio_root=audio_root, split="test", allow_outside=allow_outside)


def test_recordings_that_are_utterances(tmp_path: Path) -> None:
    (tmp_path / "a b.wav").write_bytes(b"xyz")
    write(
        tmp_path,
        wav_scp=f"s1-u1 {tmp_path}/a b.wav\ns1-u2  audio/2.flac\ns2-u1 file:///none/x.wav\n",
        utt2spk="s1-u1 s1\ns1-u2 s1\ns2-u1 s2\n",
        spk2gender="s1 f\ns2 m\n",
        utt2lang="s1-u2 deu\n",
        spk2utt="s1 s1-u1 s1-u2\ns2 s2-u1\n",
    )
    table = corpus(tmp_path, allow_outside=True).sources().sort_by("utt_id")
    assert table["utt_id"].to_pylist() == ["k/s1-u1", "k/s1-u2", "k/s2-u1"]
    assert table["path"].to_pylist() == [f"{tmp_path}/a b.wav", f"{tmp_path}/audio/2.flac", "file:///none/x.wav"]
    assert table["size_bytes"].to_pylist() == [3, -1, -1]
    assert table["session"].to_pylist() == ["k/s1/-", "k/s1/-", "k/s2/-"]
    assert [dict(a) for a in table["attributes"].to_pylist()] == [
        {"gender": "f"},
        {"gender": "f", "language": "deu"},
        {"gender": "m"},
    ]
    assert set(table["end_s"].to_pylist()) == {None}
    elsewhere = corpus(tmp_path, str(tmp_path.parent), allow_outside=True).sources()
    assert f"{tmp_path.parent}/audio/2.flac" in elsewhere["path"].to_pylist()


def test_segments_and_sides_of_calls(tmp_path: Path) -> None:
    write(
        tmp_path,
        wav_scp="sw2001-A /c/sw2001.sph\nsw2001-B /c/sw2001.sph\nmeeting /c/m.wav\n",
        reco2file_and_channel="sw2001-A sw2001 A\nsw2001-B sw2001 B\nmeeting m 3\n",
        segments="u1 sw2001-A 0.98 5.5\nu2 sw2001-B 11.25 -1\nu3 sw2001-A 0.00 2\nu4 meeting 0 -1\n",
        utt2spk="u1 ann\nu2 bob\nu3 ann\nu4 bob\n",
    )
    table = corpus(tmp_path, allow_outside=True).sources().sort_by("utt_id")
    columns = ("utt_id", "session", "path", "start_s", "end_s", "channel")
    assert [tuple(row.values()) for row in table.select(columns).to_pylist()] == [
        ("k/u1", "k/ann/sw2001-A", "/c/sw2001.sph", 0.98, 5.5, 1),
        ("k/u2", "k/bob/sw2001-B", "/c/sw2001.sph", 11.25, None, 2),
        ("k/u3", "k/ann/sw2001-A", "/c/sw2001.sph", 0.0, 2.0, 1),
        ("k/u4", "k/bob/meeting", "/c/m.wav", 0.0, None, 3),
    ]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.wav", "a/../../x.wav", "s3://bucket/x.wav", "http://host/x.wav"])
def test_a_list_leads_to_no_other_files_unless_allowed(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "audio"
    inside.mkdir()
    write(tmp_path, wav_scp=f"u1 {inside}/a.wav\nu2 {path}\n", utt2spk="u1 s\nu2 s\n")
    with pytest.raises(ValueError, match=rf"num_paths=1, .*At {tmp_path}/wav\.scp: {path}\. Give corpus\.audio_root"):
        corpus(tmp_path).sources()
    with pytest.raises(ValueError, match=r"num_paths=1, .*corpus\.allow_outside=true"):
        corpus(tmp_path, str(inside)).sources()


@pytest.mark.parametrize("command", ["sph2pipe -f wav {} |", "touch {} |  ", "| touch {}"])
def test_a_command_is_refused_and_not_run(tmp_path: Path, command: str) -> None:
    touched = tmp_path / "touched"
    write(tmp_path, wav_scp=f"u1 a.wav\nu2 {command.format(touched)}\n", utt2spk="u1 s\nu2 s\n")
    with pytest.raises(ValueError, match=r"commands are not run: got num_commands=1, .*wav\.scp: u2\. Write the path"):
        corpus(tmp_path).sources()
    assert not os.path.exists(touched)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"utt2spk": "u1 s\n"}, r"files of the directory disagree: got num_utterances=1 .*: u2\."),
        ({"utt2spk": "u1 s\nu2 s\nu3 s\n"}, r"disagree: got num_utterances=1 .*: u3\."),
        ({"utt2spk": "u1 s\nu2\n"}, r"line off the Kaldi format: got 'u2', .*utt2spk line 2\."),
        ({"utt2spk": "u1 s\nu1 t\n"}, r"line off the Kaldi format: got 'u1 t', .*there once.*line 2\."),
        ({"utt2spk": ""}, "empty file"),
        ({"wav_scp": "u1 a.wav\nu2\n"}, r"line off the Kaldi format: got 'u2', .*wav\.scp line 2\."),
        ({"segments": "u1 rec 0 1\nu2 u2 0 1\n"}, r"recordings missing from wav\.scp: .*segments: rec\."),
        ({"segments": "u1 u1 3 1\nu2 u2 0 1\n"}, r"segment out of order: .*segments u1\."),
        ({"segments": "u1 u1 0\nu2 u2 0 1\n"}, "line off the Kaldi format: got 'u1 u1 0'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    write(tmp_path, **{"wav_scp": "u1 a.wav\nu2 b.wav\n", "utt2spk": "u1 s\nu2 s\n"} | files)
    with pytest.raises(ValueError, match=message):
        corpus(tmp_path).sources()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, wav_scp="u1 a.wav\n")
    with pytest.raises(ValueError, match=r"list missing: got .*, expected utt2spk of a Kaldi directory"):
        corpus(tmp_path).sources()


def test_ids_are_the_same_in_whatever_form_a_file_has_them(tmp_path: Path) -> None:
    composed, decomposed = "Hi\u1ebfu", "Hie\u0302\u0301u"
    write(
        tmp_path,
        wav_scp=f"{composed}\u00a01 1.wav\n7.0 2.wav\n",
        utt2spk=f"{decomposed}\u00a01 {decomposed}\n7 7.0\n",
        spk2gender=f"{composed} f\n7 m\n",
        segments=f"{decomposed}\u00a01 {decomposed}\u00a01 0 1\n7 7 0 1\n",
        reco2file_and_channel=f"{composed}\u00a01 {composed} B\n",
    )
    table = corpus(tmp_path).sources().sort_by("path")
    assert table["utt_id"].to_pylist() == [f"k/{composed} 1", "k/7"]
    assert table["speaker"].to_pylist() == [f"k/{composed}", "k/7"]
    assert table["channel"].to_pylist() == [2, None]
    assert [dict(a) for a in table["attributes"].to_pylist()] == [{"gender": "f"}, {"gender": "m"}]
