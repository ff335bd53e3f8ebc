"""Voices are kept with a verifier, and a stranger's file of them is data or an error."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from avis.acoustics.measure import ATTRIBUTES
from avis.acoustics.population import Population
from avis.checkpoints.fitted_state import state_bytes
from avis.verifier import Verifier
from avis.verifier.folder import CARD, CONFIG, VOICES, read_folder, write_folder
from avis.verifier.voices import Voices


def population() -> Population:
    """Return one of eight speakers, of whom the last attribute is not known."""
    rng = np.random.default_rng(0)
    values = 100.0 + 10.0 * rng.normal(size=(8, 1, len(ATTRIBUTES))) + rng.normal(size=(8, 3, len(ATTRIBUTES)))
    values[..., -1] = np.nan
    return Population.of(values.reshape(24, -1), np.repeat(np.arange(8), 3))


def voices(dim: int, *, acoustics: Population | None = None) -> Voices:
    embeddings = np.random.default_rng(1).normal(size=(3, dim)).astype(np.float32)
    return Voices(names=np.array(["anna", "Bjørn/2", "陳"]), embeddings=embeddings, acoustics=acoustics)


def assert_equal(one: Voices, other: Voices) -> None:
    assert one.state().keys() == other.state().keys()
    for name, values in one.state().items():
        assert values.dtype == other.state()[name].dtype
        np.testing.assert_array_equal(values, other.state()[name])


@pytest.mark.parametrize("acoustics", [None, population()], ids=["without", "with"])
def test_a_folder_holds_them_and_its_card_says_so(parts, tmp_path, acoustics):
    dim = Verifier(parts).dim
    kept = dataclasses.replace(parts, voices=voices(dim, acoustics=acoustics))
    write_folder(str(tmp_path), kept)
    again = Verifier.load(tmp_path)
    assert_equal(again.voices, kept.voices)
    assert "names and mean embeddings of 3 of these speakers" in (tmp_path / CARD).read_text()
    write_folder(str(tmp_path / "exported"), again.parts)
    assert_equal(read_folder(str(tmp_path / "exported")).voices, kept.voices)


def test_a_folder_without_them_loads_and_none_of_another_model_are_left_there(parts, tmp_path):
    write_folder(str(tmp_path), dataclasses.replace(parts, voices=voices(Verifier(parts).dim)))
    write_folder(str(tmp_path), parts)
    assert Verifier.load(tmp_path).voices is None
    assert not (tmp_path / VOICES).exists()
    assert "personal data" not in (tmp_path / CARD).read_text()


def test_they_are_taken_out_as_the_card_says(parts, tmp_path):
    write_folder(str(tmp_path), dataclasses.replace(parts, voices=voices(Verifier(parts).dim)))
    (tmp_path / VOICES).unlink()
    config = json.loads((tmp_path / CONFIG).read_text())
    del config["files"][VOICES]
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert Verifier.load(tmp_path).voices is None


def with_file(parts, folder: Path, data: bytes) -> str:
    """Write a verifier whose configuration vouches for these bytes as its voices."""
    write_folder(str(folder), dataclasses.replace(parts, voices=voices(Verifier(parts).dim)))
    (folder / VOICES).write_bytes(data)
    config = json.loads((folder / CONFIG).read_text())
    config["files"][VOICES] = hashlib.sha256(data).hexdigest()
    (folder / CONFIG).write_text(json.dumps(config))
    return str(folder)


def saved(state: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **state)
    return file.getvalue()


def first_is(value):
    def changed(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values.flat[0] = value
        return values

    return changed


REFUSED = {
    "of another size": ("embeddings", lambda values: values[:, :-1]),
    "one voice less": ("embeddings", lambda values: values[:-1]),
    "of other floats": ("embeddings", lambda values: values.astype(np.float64)),
    "no numbers": ("embeddings", first_is(np.nan)),
    "infinite": ("embeddings", first_is(np.inf)),
    "without direction": ("embeddings", np.zeros_like),
    "objects for names": ("names", lambda values: values.astype(object)),
    "bytes for names": ("names", lambda values: np.array([b"a", b"b", b"c"])),
    "names twice": ("names", lambda values: np.array(["a", "a", "b"])),
    "a name of none": ("names", lambda values: np.array(["a", "", "b"])),
    "a name of lines": ("names", lambda values: np.array(["a", "b\nc", "d"])),
    "no such character": ("names", lambda values: np.full(3, 0x7FFFFFFF, np.int32).view("<U1")),
    "no such character of a large machine": ("names", lambda values: np.full(3, 0x7FFFFFFF, ">i4").view(">U1")),
    "names without letters": ("names", lambda values: np.zeros(3, np.int32).view("<U1")),
    "half a character": ("names", lambda values: np.array([0xD800, 97, 98], np.int32).view("<U1")),
    "a table of names": ("names", lambda values: values[None]),
    "no names": ("names", lambda values: None),
    "another array": ("others", lambda values: np.zeros(3)),
    "other attributes": ("acoustics_names", lambda values: values[::-1]),
    "no attributes": ("acoustics_names", lambda values: None),
    "a mean without end": ("acoustics_mean", first_is(np.inf)),
    "a mean alone unknown": ("acoustics_mean", first_is(np.nan)),
    "a mean of no voice": ("acoustics_mean", first_is(1e300)),
    "a negative variance": ("acoustics_between", first_is(-1.0)),
    "no variance": ("acoustics_within", first_is(0.0)),
    "next to no variance": ("acoustics_within", first_is(1e-10)),
    "means in disorder": ("acoustics_speaker_means", lambda values: values[:, ::-1]),
    "means of one attribute": ("acoustics_speaker_means", lambda values: values[0]),
    "whole means": ("acoustics_speaker_means", lambda values: np.zeros(values.shape, np.int64)),
}


@pytest.mark.few(4)
@pytest.mark.parametrize(("name", "change"), REFUSED.values(), ids=REFUSED)
def test_what_are_no_voices_is_refused(parts, tmp_path, name, change):
    state = voices(Verifier(parts).dim, acoustics=population()).state()
    state[name] = change(state.get(name))
    if state[name] is None:
        del state[name]
    folder = with_file(parts, tmp_path, saved(state))
    with pytest.raises(
        ValueError, match=rf"fitted state unusable: got .*At {folder}/{VOICES}\. Fetch the folder again"
    ):
        Verifier.load(folder)


def test_a_file_that_unpacks_out_of_nothing_is_refused(parts, tmp_path):
    bomb = io.BytesIO()
    np.savez_compressed(bomb, names=np.full(10_000_000, "a"))
    with pytest.raises(ValueError, match="fitted state unusable: got 1 compressed entries"):
        Verifier.load(with_file(parts, tmp_path, bomb.getvalue()))


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_of_arrays_is_refused(parts, tmp_path, data):
    with pytest.raises(ValueError, match="fitted state unusable"):
        Verifier.load(with_file(parts, tmp_path, data))


def test_a_header_that_promises_more_than_there_is_is_refused(parts, tmp_path):
    data = state_bytes(voices(Verifier(parts).dim))
    with pytest.raises(ValueError, match="fitted state unusable"):
        Verifier.load(with_file(parts, tmp_path, data.replace(b"'shape': (3,)", b"'shape': (9,)", 1)))


def test_a_damaged_file_is_named(parts, tmp_path):
    write_folder(str(tmp_path), dataclasses.replace(parts, voices=voices(Verifier(parts).dim)))
    (tmp_path / VOICES).write_bytes((tmp_path / VOICES).read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"file damaged or of another model: .*At {tmp_path}/{VOICES}"):
        Verifier.load(tmp_path)
