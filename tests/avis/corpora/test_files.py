import os
from pathlib import Path

import pytest

from avis.corpora.files import check_split, list_audio, named, source, sources_table
from avis.schema import SOURCES


def write(path: Path, data: bytes = b"audio") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def relatives(root: Path) -> list[str]:
    return [file.relative for file in list_audio(str(root))]


def test_only_audio_suffixes_in_stable_order_with_size_and_time(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/10.FLAC", "a/x.mp3", "a/x.ogg", "é ü/ö 1.opus", "a/notes.txt", "a/wav"):
        write(tmp_path / name, name.encode())
    files = list_audio(str(tmp_path))
    assert [f.relative for f in files] == ["a/x.mp3", "a/x.ogg", "b/10.FLAC", "b/2.wav", "é ü/ö 1.opus"]
    for file in files:
        assert file.path == str(tmp_path / file.relative)
        assert file.size_bytes == len(file.relative.encode())
        assert file.modified_ns == os.stat(file.path).st_mtime_ns


def test_links_are_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "root/a/1.wav")
    write(tmp_path / "elsewhere/2.wav")
    (tmp_path / "root/a/up").symlink_to(tmp_path / "root")
    (tmp_path / "root/a/self").symlink_to(tmp_path / "root/a")
    (tmp_path / "root/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/c.wav").symlink_to(tmp_path / "elsewhere/2.wav")
    assert relatives(tmp_path / "root") == ["a/1.wav", "b/2.wav", "c.wav"]


def test_a_broken_link_stays_in_the_list(tmp_path: Path) -> None:
    (tmp_path / "1.wav").symlink_to(tmp_path / "gone.wav")
    (file,) = list_audio(str(tmp_path))
    assert (file.size_bytes, file.modified_ns) == (-1, -1)


def test_a_missing_or_empty_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"corpus root missing: got root='.*/nowhere', expected a folder or a URI\. At "
    ):
        list_audio(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=f"no audio found: got num_files=0, expected .*wav.* At {tmp_path}"):
        list_audio(str(tmp_path))


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
