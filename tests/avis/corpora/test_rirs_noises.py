from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.rirs_noises import RirsNoises

FILES = (
    "pointsource_noises/noise-free-sound-0000.wav",
    "real_rirs_isotropic_noises/RVB2014_type1_noise_largeroom1_1.wav",
    "real_rirs_isotropic_noises/RVB2014_type1_rir_largeroom1_far_angla.wav",
    "simulated_rirs/smallroom/Room001/Room001-00001.wav",
)


@pytest.fixture
def root(tmp_path: Path, lay_out: Callable[..., Path]) -> Path:
    return lay_out(tmp_path, *FILES)


def corpus(root: Path, *kinds: str) -> RirsNoises:
    return RirsNoises(name="rooms", root=str(root), split="test", kinds=list(kinds))  # type: ignore[arg-type]


def test_kinds_are_chosen_and_the_first_channel(root: Path) -> None:
    table = corpus(root, "rir").sources()
    assert table["utt_id"].to_pylist() == [f"rooms/{name.removesuffix('.wav')}" for name in FILES[2:]]
    assert table["attributes"].to_pylist() == [[("kind", "rir")]] * 2
    assert table["channel"].to_pylist() == [1, 1]
    every = corpus(root, "noise", "rir").sources()
    assert [dict(each)["kind"] for each in every["attributes"].to_pylist()] == ["noise", "noise", "rir", "rir"]
    assert len(set(every["speaker"].to_pylist())) == 4


def test_what_does_not_fit_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown kinds: got kinds=\['speech'\]"):
        corpus(root, "speech")
    with pytest.raises(ValueError, match="no rir found: got num_files=0 of 1 audio files"):
        corpus(root / "pointsource_noises", "rir").sources()
