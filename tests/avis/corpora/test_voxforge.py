from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.voxforge import VoxForge

README = """\
User Name:ralfherzog

Speaker Characteristics:

Gender: Male;
Age Range: Adult;
Language: DE;
Pronunciation dialect: Please Select;

Recording Information:

Microphone make: n/a;
Microphone type: Headset mic;
File type: wav;
"""


def corpus(root: Path) -> VoxForge:
    return VoxForge(name="vf", root=str(root), split="train")


def test_speakers_days_and_the_readme(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(
        tmp_path,
        "ralfherzog-20070816-de2/wav/de2-01.wav",
        "ralfherzog-20070816-de3/flac/de3-01.flac",
        "ralfherzog-20070821-de9/wav/de9-01.wav",
        "anonymous-20080723-abc/wav/a0001.wav",
        "anonymous-20080723-xyz/wav/a0001.wav",
        "some-one-20101231-k/wav/1.wav",
        "Dale/wav/1.wav",
        "joe-vf1/wav/1.wav",
        "ralfherzog-20070816-de2/etc/README",
        "anonymous-20080723-abc/etc/readme",
        "anonymous-20080723-abc/etc/PROMPTS",
    )
    (tmp_path / "ralfherzog-20070816-de2/etc/README").write_text(README)
    (tmp_path / "anonymous-20080723-abc/etc/readme").write_bytes(b"Gender: weiblich \xfc\r\nAge Range:\tYouth\r\n")
    table = corpus(tmp_path).sources()
    assert {row["utt_id"][3:]: row["session"][3:] for row in table.to_pylist()} == {
        "Dale/wav/1": "Dale/-",
        "anonymous-20080723-abc/wav/a0001": "anonymous-20080723-abc/20080723",
        "anonymous-20080723-xyz/wav/a0001": "anonymous-20080723-xyz/20080723",
        "joe-vf1/wav/1": "joe/vf1",
        "ralfherzog-20070816-de2/wav/de2-01": "ralfherzog/20070816",
        "ralfherzog-20070816-de3/flac/de3-01": "ralfherzog/20070816",
        "ralfherzog-20070821-de9/wav/de9-01": "ralfherzog/20070821",
        "some-one-20101231-k/wav/1": "some-one/20101231",
    }
    assert len(table["speaker"].unique()) == 6
    about = {row["utt_id"][3:]: dict(row["attributes"]) for row in table.to_pylist()}
    assert about["ralfherzog-20070816-de2/wav/de2-01"] == {
        "gender": "m",
        "age": "adult",
        "language": "de",
        "microphone": "headset mic",
    }
    assert about["anonymous-20080723-abc/wav/a0001"] == {"age": "youth"}
    assert about["ralfherzog-20070816-de3/flac/de3-01"] == {}


def test_what_does_not_fit_is_named(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(tmp_path, "ralfherzog-20070816-de2/wav/de2-01.wav", "ralfherzog-20070816-de2/x.wav", "y.wav")
    with pytest.raises(
        ValueError, match=r"off the VoxForge layout: got num_files=2, .*At ralf.*-de2/x\.wav, y\.wav\..*corpus=folder"
    ):
        corpus(tmp_path).sources()


def test_names_were_typed_anew_for_each_submission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lay_out: Callable[..., Path]
) -> None:
    submissions = (
        "ralfherzog-20070816-de2",
        "RalfHerzog-20070821-de9",
        "Ralf Herzog-20070822-abc",
        "ralf-20070816-de2",
    )
    lay_out(tmp_path, *(f"{submission}/wav/1.wav" for submission in submissions))
    speakers = corpus(tmp_path).sources()["speaker"].to_pylist()
    assert sorted(speakers) == [*["vf/Ralf Herzog"] * 3, "vf/ralf"]
    assert "'Ralf Herzog' and 'RalfHerzog' and 'ralfherzog'" in capsys.readouterr().out
