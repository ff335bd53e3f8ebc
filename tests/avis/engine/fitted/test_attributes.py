"""A run's verifier guesses what its store tells of the training's speakers, if that can be heard."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from avis.engine import verifier as leaving
from avis.engine.fitted.attributes import fitted_attributes
from avis.engine.fitted.voices import Speech
from avis.engine.verifier import leave_verifier
from avis.verifier import Verifier
from tests.avis.verifier.attributes.made_up import World


def speech(told, *, apart=6.0) -> Speech:
    """Return what 40 speakers of two kinds said, with what ``told(kind, number of recording)`` tells of it."""
    rng = np.random.default_rng(0)
    embeddings, speaker, kinds = World.drawn(rng, dim=16, classes=2, apart=apart).recordings(rng, [20, 20])
    attributes = [list(told(int(kinds[each]), number).items()) for number, each in enumerate(speaker)]
    columns = {
        "speaker": [f"s{each:02}" for each in speaker],
        "attributes": pa.array(attributes, pa.map_(pa.string(), pa.string())),
    }
    return Speech(pa.table(columns), embeddings)


def test_a_head_is_fitted_of_each_attribute_that_can_be_heard(capsys):
    spoken = speech(lambda kind, number: {"gender": "fm"[kind], "age": ["23", "31"][number % 8 // 4], "rate": "1"})
    [gender] = fitted_attributes(spoken, seed=0)
    assert (gender.attribute, gender.classes.tolist()) == ("gender", ["f", "m"])
    assert gender.accuracy > 0.9
    printed = capsys.readouterr().out
    assert "attributes: gender: f or m is guessed right for " in printed
    assert "attributes: age is not guessed, since that is not shown to beat chance: thirties or twenties" in printed


def test_what_recordings_of_a_speaker_disagree_on_is_not_known(capsys):
    assert fitted_attributes(speech(lambda kind, number: {"gender": "fm"[number % 2]}), seed=0) is None
    assert capsys.readouterr().out == ""


def test_a_store_that_tells_nothing_makes_none(capsys):
    assert fitted_attributes(speech(lambda *_: {"language": "de"}), seed=0) is None
    assert capsys.readouterr().out == ""


@pytest.mark.few(1)
@pytest.mark.parametrize("heard", [True, False])
def test_a_run_leaves_them_with_its_verifier(tiny_recipe, checkpoint, tiny_store, tmp_path, monkeypatch, heard):
    heads = fitted_attributes(speech(lambda kind, _: {"gender": "fm"[kind]}), seed=0)
    dim = checkpoint.recipe["model"]["embedding_dim"]
    [gender] = heads
    fitting = dataclasses.replace(gender, weights=np.ones((2, dim)))
    made = dataclasses.replace(heads, heads=(fitting,)) if heard else None
    monkeypatch.setattr(leaving, "fitted_attributes", lambda *_, **__: made)
    left = Verifier.load(leave_verifier(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run")))
    assert [each.attribute for each in left.attributes or ()] == (["gender"] if heard else [])
