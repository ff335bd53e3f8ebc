"""A gallery of three people, and all bytes of one."""

from pathlib import Path

import pytest

from avis.verifier import Gallery


@pytest.fixture
def gallery(sure, voice, tmp_path) -> Gallery:
    """Return a gallery of anna with three recordings, bob with two and carl with one."""
    made = Gallery.open(tmp_path / "gallery", sure)
    for person, (name, recordings) in enumerate({"anna": 3, "bob": 2, "carl": 1}.items()):
        taken = made.enroll(name, [voice(person, take) for take in range(recordings)])
        assert taken.num_recordings == recordings
    return made


def bytes_of(gallery: Gallery) -> dict[str, bytes]:
    folder = Path(gallery.files.folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
