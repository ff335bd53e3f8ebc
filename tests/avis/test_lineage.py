"""What models before a model were trained on: gathered once each, found by name and by audio, and said."""

import hashlib

import numpy as np
import pyarrow as pa

from avis.lineage import Lineage, TrainedOn, audio_codes

FIRST = TrainedOn(model="first.ckpt", digest="1", speakers=["vox/a", "vox/b"], audio=np.array([1, 2]))
TEACHER = TrainedOn(model="teacher.ckpt", digest="2", speakers=["cn/c"])
IMPORTED = TrainedOn(model="imported.ckpt", digest="3")


def test_codes_are_of_the_content():
    sha256 = [hashlib.sha256(text).hexdigest() for text in (b"a", b"b", b"a")]
    codes = audio_codes(pa.chunked_array([sha256[:1], sha256[1:]]))
    assert codes.tolist() == [int.from_bytes(bytes.fromhex(each)[:8], "big", signed=True) for each in sha256]
    assert len(audio_codes(pa.array([], pa.string()))) == 0


def test_a_model_inherits_all_before_it_each_once():
    start = Lineage((FIRST, TEACHER)).as_parent("start.ckpt", "4")
    assert [each.model for each in start.models] == ["start.ckpt", "teacher.ckpt"]
    assert (start.own.digest, start.own.speakers) == ("4", FIRST.speakers)
    joined = Lineage.joined([start, Lineage((TEACHER, IMPORTED))])
    model = joined.then(TrainedOn(speakers=["new/d"]))
    assert [each.model for each in model.models] == ["", "start.ckpt", "teacher.ckpt", "imported.ckpt"]
    assert model.before.speakers == {"vox/a", "vox/b", "cn/c"}
    assert model.speakers == {"vox/a", "vox/b", "cn/c", "new/d"}


def test_what_was_trained_on_is_found_with_the_model_nearest():
    model = Lineage((FIRST, TEACHER)).then(TrainedOn(speakers=["vox/A"], audio=np.array([2, 7])))
    assert model.seen(["vox/a", "vox/b", "vox/z"]) == {"vox/a": "", "vox/b": "first.ckpt"}
    assert model.heard(np.array([9, 1, 7, 2])) == {1: "first.ckpt", 2: "", 3: ""}


def test_what_is_not_known_is_said():
    model = Lineage((IMPORTED, FIRST, TEACHER)).then(TrainedOn())
    assert str(model) == (
        "unknown, cannot be checked; before that imported.ckpt on unknown, cannot be checked; before that first.ckpt "
        "on 2 speakers of vox; before that teacher.ckpt on 1 speakers of cn, utterances unknown"
    )
    own, imported = model.warnings()
    assert own.startswith("What this model was trained on: unknown, cannot be checked.")
    assert imported.startswith("What the model that this one comes from (imported.ckpt) was trained on: unknown")
    assert Lineage((FIRST,)).warnings() == []
