import os
from pathlib import Path

import pytest

from avis.audio.listing import list_audio


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
    with pytest.raises(ValueError, match=r"root missing: got root='.*/nowhere', expected a folder or a URI\. At "):
        list_audio(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=f"no audio found: got num_files=0, expected .*wav.* At {tmp_path}"):
        list_audio(str(tmp_path))


def test_companions_of_macos_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("s/1.wav", "s/._1.wav", "__MACOSX/s/._1.wav", "__MACOSX/s/1.wav", "s/.DS_Store", "s/__MACOSX.wav"):
        write(tmp_path / name)
    assert relatives(tmp_path) == ["s/1.wav", "s/__MACOSX.wav"]
    assert f"left out 3 companions of macOS (._*, __MACOSX) below {tmp_path}" in capsys.readouterr().out
    assert relatives(tmp_path / "__MACOSX" / "s") == ["1.wav"]
    (tmp_path / "s/1.wav").unlink()
    (tmp_path / "s/__MACOSX.wav").unlink()
    with pytest.raises(ValueError, match="no audio found: got num_files=0"):
        relatives(tmp_path / "s")
