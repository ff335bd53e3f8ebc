import os
from pathlib import Path

import pytest

from avis.audio.listing import list_audio
from avis.corpora.files import check_split, named, source, sources_table
from avis.schema import SOURCES


def write(path: Path, data: bytes = b"audio") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_table_has_unique_ids_and_keeps_duplicates(tmp_path: Path) -> None:
    write(tmp_path / "s/v.1/a.flac")
    write(tmp_path / "s/v.1/a.wav")
    rows = [
        source(file, corpus="c", split="train", speaker="s", session="v.1", attributes={"z": "1", "a": "2"})
        for file in list_audio(str(tmp_path))
    ]
    table = sources_table(rows[::-1])
    assert table.schema.equals(SOURCES)
    assert table["utt_id"].to_pylist() == ["c/s/v.1/a"] * 2
    assert table["path"].to_pylist() == [str(tmp_path / "s/v.1/a.flac"), str(tmp_path / "s/v.1/a.wav")]
    assert table["speaker"].to_pylist() == ["c/s"] * 2
    assert table["session"].to_pylist() == ["c/s/v.1"] * 2
    assert table["attributes"].to_pylist() == [[("a", "2"), ("z", "1")]] * 2


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.wav", "wb") as file:
        file.write(b"x")
    rows = [source(f, corpus="c", split="train", speaker="s", session="-") for f in list_audio(str(tmp_path))]
    with pytest.raises(ValueError, match=r"file name not UTF-8: got num_files=1.*caf\\udce9"):
        sources_table(rows)


def test_unknown_split_and_long_lists() -> None:
    with pytest.raises(ValueError, match=r"unknown split: got split='dev', expected one of train, test\. At corpus x"):
        check_split("dev", where="corpus x")
    assert named("abcde") == "a, b, c, d, e"
