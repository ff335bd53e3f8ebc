from pathlib import Path

import pytest

from avis.corpora.vctk import Vctk

# As version 0.92 spaces and ends its lines, comments included
INFO = """\
ID  AGE  GENDER  ACCENTS  REGION COMMENTS\x20
p225  23  F    English    Southern  England
p280  25  F    Unknown    France (mic2 files unavailable)
p315  18  M    American    New England (Text and mic2 files unavailable)
s5    24  M    British
"""
OLD_INFO = "ID  AGE  GENDER  ACCENTS  REGION\n225  23  F    English    Southern  England\n376  22  M    Indian\n"


def make(root: Path, info: str, *names: str) -> Path:
    for name in (*names, "txt/p225/p225_001.txt", "log.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "speaker-info.txt").write_text(info)
    return root


def corpus(root: Path, *microphones: str) -> Vctk:
    return Vctk(name="vctk", root=str(root), split="train", microphones=list(microphones or ("mic1",)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    audio = "wav48_silence_trimmed"
    files = ("p225/p225_001_mic1", "p225/p225_001_mic2", "p280/p280_003_mic1", "s5/s5_400_mic1", "p362/p362_001_mic1")
    return make(tmp_path, INFO, *(f"{audio}/{name}.flac" for name in files), f"{audio}/log.txt")


def test_microphones_and_what_is_said_of_speakers(root: Path) -> None:
    table = corpus(root).sources()
    assert table["utt_id"].to_pylist() == [
        "vctk/p225/p225_001_mic1",
        "vctk/p280/p280_003_mic1",
        "vctk/p362/p362_001_mic1",
        "vctk/s5/s5_400_mic1",
    ]
    assert table["session"].to_pylist()[0] == "vctk/p225/-"
    about = [dict(a) for a in table["attributes"].to_pylist()]
    both = {"microphone": "mic1", "language": "en"}
    assert about[0] == both | {"age": "23", "gender": "f", "accent": "English"}
    assert about[1]["accent"] == "Unknown"
    assert about[2] == both
    assert about[3] == both | {"age": "24", "gender": "m", "accent": "British"}
    assert corpus(root, "mic2").sources()["utt_id"].to_pylist() == ["vctk/p225/p225_001_mic2"]
    assert corpus(root, "mic1", "mic2").sources().num_rows == 5


def test_version_0_80(tmp_path: Path) -> None:
    root = make(tmp_path, OLD_INFO, "wav48/p225/p225_001.wav", "wav48/p376/p376_002.wav")
    table = corpus(root).sources()
    assert table["utt_id"].to_pylist() == ["vctk/p225/p225_001", "vctk/p376/p376_002"]
    assert [dict(a)["gender"] for a in table["attributes"].to_pylist()] == ["f", "m"]


def test_what_does_not_fit_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown microphones: got microphones=\['mic3'\]"):
        corpus(root, "mic3")
    (root / "wav48_silence_trimmed/p225/p226_001_mic1.flac").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"off the VCTK layout: got num_files=1, .*At p225/p226_001_mic1\.flac"):
        corpus(root).sources()
    (root / "wav48_silence_trimmed/p225/p226_001_mic1.flac").unlink()
    (root / "speaker-info.txt").write_text("name\tsex\nx\tf\n")
    with pytest.raises(ValueError, match="not VCTK's list of speakers"):
        corpus(root).sources()
    (root / "speaker-info.txt").unlink()
    with pytest.raises(ValueError, match=r"list missing: .*speaker-info"):
        corpus(root).sources()
