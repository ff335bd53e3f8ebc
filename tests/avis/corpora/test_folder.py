import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.folder import Folder


def test_speakers_and_sessions_come_from_the_folders(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(tmp_path, "84/121123/84-121123-0000.flac", "Zoë K/one session/deep/er/a b.wav", "solo/1.wav", "solo/2.wav")
    table = Folder(name="libri", root=str(tmp_path), split="train").sources()
    assert table.select(["utt_id", "speaker", "session"]).to_pylist() == [
        {
            "utt_id": "libri/84/121123/84-121123-0000",
            "speaker": "libri/84",
            "session": "libri/84/121123",
        },
        {
            "utt_id": "libri/Zoë K/one session/deep/er/a b",
            "speaker": "libri/Zoë K",
            "session": "libri/Zoë K/one session",
        },
        {"utt_id": "libri/solo/1", "speaker": "libri/solo", "session": "libri/solo/-"},
        {"utt_id": "libri/solo/2", "speaker": "libri/solo", "session": "libri/solo/-"},
    ]
    assert set(table["split"].to_pylist()) == {"train"}
    assert set(table["corpus"].to_pylist()) == {"libri"}
    assert table["path"].to_pylist() == sorted(table["path"].to_pylist())


def test_files_beside_the_speakers_are_refused(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(tmp_path, "a/1.wav", "stray.wav")
    with pytest.raises(ValueError, match=r"outside a speaker's folder: got num_files=1.*At stray\.wav\."):
        Folder(name="x", root=str(tmp_path), split="train").sources()


def test_split_is_checked_at_once_and_instances_pickle() -> None:
    with pytest.raises(ValueError, match="got split='eval'"):
        Folder(name="x", root="/nowhere", split="eval")
    corpus = Folder(name="x", root="/nowhere", split="test")
    assert pickle.loads(pickle.dumps(corpus)) == corpus


@pytest.mark.shared_data
@pytest.mark.parametrize(("part", "num_files", "num_speakers"), [("train", 416, 42), ("test", 208, 13)])
def test_voxforge_is_complete(shared: Path, part: str, num_files: int, num_speakers: int) -> None:
    table = Folder(name="voxforge", root=str(shared / "speech" / "voxforge" / part), split=part).sources()
    assert table.num_rows == num_files
    assert len(table["speaker"].unique()) == num_speakers
    if part == "test":
        lines = (shared / "speech" / "voxforge" / "trials_test.txt").read_text().split("\n")
        listed = {utt for line in lines for utt in line.split()[1:]}
        found = {utt_id.removeprefix("voxforge/") for utt_id in table["utt_id"].to_pylist()}
        assert {utt.removesuffix(".flac") for utt in listed} <= found
