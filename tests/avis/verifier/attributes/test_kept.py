"""Heads are kept with a verifier, and a stranger's file of them is data or an error."""

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest

from avis.verifier import Verifier
from avis.verifier.attributes.head import Head
from avis.verifier.attributes.kept import Heads
from avis.verifier.folder import ATTRIBUTES, CARD, CONFIG, write_folder


def head(attribute="gender", *, dim: int, classes=("f", "m")) -> Head:
    rng, num = np.random.default_rng(0), len(classes)
    return Head(
        attribute=attribute,
        classes=np.array(classes),
        num_speakers=np.arange(num) + 20,
        weights=rng.normal(size=(num, dim)),
        offsets=rng.normal(size=num),
        calibrations=np.abs(rng.normal(size=(9, num))),
        accuracy=0.91,
        accuracy_interval=(0.84, 0.95),
    )


def heads(dim: int) -> Heads:
    return Heads(heads=(head(dim=dim), head("age", dim=dim, classes=("teens", "twenties", "fünfzig|"))))


@pytest.fixture
def kept(parts):
    return dataclasses.replace(parts, attributes=heads(Verifier(parts).dim))


def test_a_folder_holds_them_and_its_card_says_so(kept, tmp_path):
    write_folder(str(tmp_path), kept)
    again = Verifier.load(tmp_path)
    assert [each.attribute for each in again.attributes] == ["gender", "age"]
    for name, values in kept.attributes.state().items():
        np.testing.assert_array_equal(again.attributes.state()[name], values)
    card = (tmp_path / CARD).read_text()
    assert "| gender | f (20), m (21) | 91 [84, 95] | 50 |" in card
    assert "| age | teens (20), twenties (21), fünfzig/ (22) | 91 [84, 95] | 33 |" in card
    assert "personal data" in card
    embedding = np.ones(again.dim)
    assert [each.guess(embedding) for each in again.attributes] == [each.guess(embedding) for each in kept.attributes]


def test_none_of_another_model_are_left_there(parts, kept, tmp_path):
    write_folder(str(tmp_path), kept)
    write_folder(str(tmp_path), parts)
    assert Verifier.load(tmp_path).attributes is None
    assert not (tmp_path / ATTRIBUTES).exists()
    assert "Guesses" not in (tmp_path / CARD).read_text()


def test_they_are_taken_out_as_the_card_says(kept, tmp_path):
    write_folder(str(tmp_path), kept)
    (tmp_path / ATTRIBUTES).unlink()
    config = json.loads((tmp_path / CONFIG).read_text())
    del config["files"][ATTRIBUTES]
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert Verifier.load(tmp_path).attributes is None


def saved(state: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **state)
    return file.getvalue()


REFUSED = {
    "of another size": ("gender_weights", lambda values: values[:, :-1]),
    "a class less": ("gender_weights", lambda values: values[:-1]),
    "no numbers": ("gender_offsets", lambda values: values * np.nan),
    "beyond all": ("gender_weights", lambda values: values * 1e300),
    "whole numbers": ("gender_weights", lambda values: values.astype(np.int64)),
    "objects": ("gender_classes", lambda values: values.astype(object)),
    "a class twice": ("gender_classes", lambda values: np.array(["f", "f"])),
    "a class of none": ("gender_classes", lambda values: np.array(["f", ""])),
    "a class of lines": ("gender_classes", lambda values: np.array(["f", "a\nb"])),
    "a class without end": ("gender_classes", lambda values: np.array(["f", "m" * 81])),
    "a table of classes": ("gender_classes", lambda values: values[None]),
    "no class": ("gender_classes", lambda values: values[:0]),
    "no calibration": ("gender_calibrations", lambda values: values[:0]),
    "one calibration": ("gender_calibrations", lambda values: values[0]),
    "half a number of speakers": ("gender_num_speakers", lambda values: values / 2),
    "no speakers": ("gender_num_speakers", lambda values: values * 0),
    "right by chance": ("gender_accuracy_interval", lambda values: np.array([0.5, 0.95])),
    "right more than always": ("gender_accuracy_interval", lambda values: np.array([0.84, 1.1])),
    "an interval beside": ("gender_accuracy", lambda values: np.array(0.8)),
    "an array less": ("gender_offsets", lambda values: None),
    "another array": ("height_weights", lambda values: np.zeros(3)),
}


@pytest.mark.few(7)
@pytest.mark.parametrize(("name", "change"), REFUSED.values(), ids=REFUSED)
def test_what_are_no_heads_is_refused(kept, tmp_path, name, change):
    state = kept.attributes.state()
    state[name] = change(state.get(name))
    data = saved({name: values for name, values in state.items() if values is not None})
    write_folder(str(tmp_path), kept)
    (tmp_path / ATTRIBUTES).write_bytes(data)
    config = json.loads((tmp_path / CONFIG).read_text())
    config["files"][ATTRIBUTES] = hashlib.sha256(data).hexdigest()
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"fitted state unusable: got .*At {tmp_path}/{ATTRIBUTES}\. Fetch the"):
        Verifier.load(tmp_path)


def test_no_heads_are_no_file():
    with pytest.raises(ValueError, match="fitted state unusable: got arrays missing"):
        Heads.of_bytes(saved({}), dim=4, where="there", advice="Leave it.")
