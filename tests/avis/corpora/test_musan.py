from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.musan import Musan

FILES = (
    "noise/free-sound/noise-free-sound-0000.wav",
    "noise/sound-bible/noise-sound-bible-0007.wav",
    "music/jamendo/music-jamendo-0003.wav",
    "speech/us-gov/speech-us-gov-0001.wav",
)


@pytest.fixture
def root(tmp_path: Path, lay_out: Callable[..., Path]) -> Path:
    return lay_out(tmp_path, *FILES, "noise/free-sound/LICENSE", "noise/free-sound/ANNOTATIONS", "README")


def corpus(root: Path, *kinds: str) -> Musan:
    return Musan(name="musan", root=str(root), split="test", kinds=list(kinds))


def test_kinds_are_chosen(root: Path) -> None:
    table = corpus(root, "noise").sources()
    assert table["utt_id"].to_pylist() == [
        "musan/noise/free-sound/noise-free-sound-0000",
        "musan/noise/sound-bible/noise-sound-bible-0007",
    ]
    assert dict(table["attributes"].to_pylist()[1]) == {"kind": "noise", "origin": "sound-bible"}
    assert table["path"].to_pylist()[0] == str(root / FILES[0])
    assert table["session"].to_pylist()[0] == "musan/noise/free-sound/noise-free-sound-0000/-"
    every = corpus(root, "speech", "music", "noise").sources()
    assert every.num_rows == 4
    assert len(set(every["speaker"].to_pylist())) == 4


def test_what_does_not_fit_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown kinds: got kinds=\['babble'\]"):
        corpus(root, "babble")
    (root / "noise/stray.wav").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"off the MUSAN layout: got num_files=1, .*At stray\.wav"):
        corpus(root, "noise").sources()
    with pytest.raises(ValueError, match="root missing"):
        corpus(root / "noise", "music").sources()
