"""Locations: local paths and URIs alike."""

from pathlib import Path

import pytest

from avis import location


def test_local_paths_become_absolute_and_uris_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert location.absolute("outputs") == str(tmp_path / "outputs")
    assert location.absolute("~/outputs") == "/home/someone/outputs"
    assert location.absolute("s3://bucket/outputs") == "s3://bucket/outputs"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_is_there(tmp_path: Path, scheme: str):
    folder = f"{scheme}{tmp_path}"
    (tmp_path / "a b%c.txt").write_bytes(b"x")
    file = location.join(folder, "a b%c.txt")
    assert (location.exists(file), location.is_folder(file), location.read_bytes(file)) == (True, False, b"x")
    assert (location.exists(folder), location.is_folder(folder)) == (True, True)
    nothing = location.join(folder, "b", "c")
    assert (location.exists(nothing), location.is_folder(nothing)) == (False, False)
    with pytest.raises(FileNotFoundError):
        location.read_bytes(nothing)
