"""Recordings of unknown speakers are listed from wherever they are, and none is taken for another's."""

from pathlib import Path

import pytest

from avis.corpora.unlabelled import Unlabelled


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Return a folder of two files; what is in them is not looked at."""
    (tmp_path / "flat" / "deep").mkdir(parents=True)
    (tmp_path / "flat" / "a.wav").write_bytes(b"x")
    (tmp_path / "flat" / "deep" / "b c.flac").write_bytes(b"y")
    return tmp_path / "flat"


def listed(audio: Path, root: str | None = None) -> dict[str, str]:
    """Return where each recording is by its id, all of them of unknown speakers and for tests."""
    sources = Unlabelled(name="u", audio=str(audio), root=root).sources()
    assert set(sources["speaker"].to_pylist()) == set(sources["session"].to_pylist()) == {""}
    assert set(sources["split"].to_pylist()) == {"test"}
    return dict(zip(sources["utt_id"].to_pylist(), sources["path"].to_pylist(), strict=True))


def test_a_folder_or_a_file(flat: Path):
    assert listed(flat) == {"u/a": f"{flat}/a.wav", "u/deep/b c": f"{flat}/deep/b c.flac"}
    assert listed(flat / "a.wav") == {"u/a": f"{flat}/a.wav"}


def test_lists_of_any_kind(flat: Path, tmp_path: Path):
    (tmp_path / "list.txt").write_text(f"flat/a.wav\n\n{flat}/deep/b c.flac\n")
    assert listed(tmp_path / "list.txt") == {"u/flat/a": f"{flat}/a.wav", "u/flat/deep/b c": f"{flat}/deep/b c.flac"}
    (tmp_path / "wav.scp").write_text("one a.wav\ntwo deep/b c.flac\n")
    assert listed(tmp_path / "wav.scp", str(flat)) == {"u/one": f"{flat}/a.wav", "u/two": f"{flat}/deep/b c.flac"}
    (flat / "table.csv").write_text("path,utt_id\na.wav,one\ndeep/b c.flac,\n")
    assert listed(flat / "table.csv") == {"u/one": f"{flat}/a.wav", "u/deep/b c": f"{flat}/deep/b c.flac"}


def test_a_table_may_know_some_speakers(flat: Path):
    (flat / "some.csv").write_text("path,speaker\na.wav,anna\ndeep/b c.flac,\n")
    sources = Unlabelled(name="u", audio=str(flat / "some.csv"), root=None).sources()
    assert sources["speaker"].to_pylist() == ["u/anna", ""]
    assert sources["session"].to_pylist() == ["u/anna/-", ""]


def test_nothing_there_is_an_error(tmp_path: Path):
    for audio in (None, str(tmp_path / "none")):
        with pytest.raises(ValueError, match="no audio: got audio="):
            Unlabelled(name="u", audio=audio, root=None).sources()
    (tmp_path / "list").write_text("\n")
    with pytest.raises(ValueError, match="empty list"):
        Unlabelled(name="u", audio=str(tmp_path / "list"), root=None).sources()
