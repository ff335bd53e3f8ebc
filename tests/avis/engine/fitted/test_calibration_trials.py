"""Trials to calibrate on: drawn across sessions, clear of the test, of crops too, of nobody trained on or tested."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.engine.fitted.calibration_trials import (
    CalibrationTrials,
    calibration_trials,
    check_calibration_speakers,
    with_models,
)
from avis.engine.recipe import Recipe
from avis.engine.trials.crops import Crops
from avis.lineage import Lineage, TrainedOn
from avis.scoring.calibration import log_duration, quality_features

RATE = 16_000
CROPS = Crops(2.0, 6.0, sample_rate=RATE, seed=0)


def test_the_drawn_list_is_seeded_capped_and_across_sessions(
    tiny_recipe: Recipe, tiny_store: str, calibrated: Callable[..., Recipe]
):
    light = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "session", "split", "corpus"])
    cfg = calibrated(tiny_recipe)
    trials = calibration_trials(cfg, light)
    assert trials["target"].to_pylist().count(True) == 2 * 2 * 2
    assert trials["target"].to_pylist().count(False) == 4 * 4
    speaker = dict(zip(light["utt_id"].to_pylist(), light["speaker"].to_pylist(), strict=True))
    session = dict(zip(light["utt_id"].to_pylist(), light["session"].to_pylist(), strict=True))
    for row in trials.to_pylist():
        assert (speaker[row["enroll"]] == speaker[row["test"]]) == row["target"]
        assert session[row["enroll"]] != session[row["test"]]
    capped = [calibration_trials(cfg.changed({"calibration.max_trials": 5, "seed": seed}), light) for seed in (0, 0, 1)]
    assert [len(table) for table in capped] == [10, 10, 10]
    assert capped[0].equals(capped[1])
    assert not capped[0].equals(capped[2])


def small_index(sessions: dict[str, int]) -> pa.Table:
    """Return utterances ``<speaker>/<session>/<take>``, as many in each session as given."""
    ids = [f"{session}/{take}" for session, num in sessions.items() for take in range(num)]
    parts = [utt_id.rsplit("/", 1)[0] for utt_id in ids]
    return pa.table({"utt_id": ids, "speaker": [part.split("/")[0] for part in parts], "session": parts})


def test_calibration_models_keep_clear_of_the_test() -> None:
    index = small_index({"a/0": 2, "a/1": 2, "a/2": 1, "b/0": 3, "c/0": 1})
    pairs = [("a/0/1", "a/1/0"), ("a/0/1", "a/1/1"), ("a/0/1", "b/0/0"), ("b/0/1", "b/0/2"), ("c/0/0", "a/0/0")]
    target = [one[0] == other[0] for one, other in pairs]
    trials = pa.table({"enroll": [p[0] for p in pairs], "test": [p[1] for p in pairs], "target": target})
    tested = pa.table({"enroll_model": [*"pppqqqr"], "utt_id": [*"1234567"]})
    found = with_models(trials, index, tested)
    assert found.size == 3
    members: dict[str, list[str]] = {}
    for row in found.models.to_pylist():
        members.setdefault(row["enroll_model"], []).append(row["utt_id"])
    assert [members[name] for name in found.trials["enroll"].to_pylist()] == [
        ["a/0/1", "a/2/0", "a/0/0"],  # not those of the test's session
        ["a/0/1", "a/2/0", "a/0/0"],
        ["a/0/1", "a/1/0", "a/1/1"],
        ["b/0/1", "b/0/0"],  # one session: all but the test
        ["c/0/0"],
    ]
    assert len(members) == 4, "trials share models"
    assert found.trials.select(["test", "target"]).equals(trials.select(["test", "target"]))
    assert with_models(trials, index, None).trials is trials


def test_durations_of_short_speech_are_not_extrapolated() -> None:
    """Of 40 utterances of 8 to 20 s, the calibration knows sides of 2 s and of all, and distances between them."""
    seconds = np.linspace(8.0, 20.0, 40)
    index = pa.table(
        {
            "utt_id": [f"u{number}" for number in range(40)],
            "num_samples": pa.array((seconds * RATE).astype(np.int64)),
            "speech_s": pa.array([None] * 20 + [*(0.5 * seconds[20:])], pa.float32()),
        }
    )
    cropped = CROPS.rows(index)
    assert cropped.schema == index.schema
    lengths = cropped["num_samples"].to_numpy() / RATE
    assert cropped["speech_s"].null_count == 20
    np.testing.assert_allclose(cropped["speech_s"].to_numpy()[20:], lengths[20:] / 2, rtol=1e-5)
    trials = pa.table({"enroll": index["utt_id"], "test": index["utt_id"].take(list(range(39, -1, -1)))})
    trials = CalibrationTrials(trials.append_column("target", pa.array([True] * 40))).with_crops().trials
    duration = dict(zip(index["utt_id"].to_pylist(), seconds, strict=True))
    duration |= dict(zip(cropped["utt_id"].to_pylist(), lengths, strict=True))
    sides = [np.array([duration[name] for name in trials[side].to_pylist()]) for side in ("enroll", "test")]
    shorter, distance = quality_features(*(log_duration(side)[:, None] for side in sides)).T
    assert shorter.min() < np.log(2.2)
    assert shorter.max() > np.log(12.0)
    assert distance.max() > np.log(12.0 / 3.0)


def test_models_are_cropped_utterance_by_utterance() -> None:
    trials = pa.table({"enroll": ["m"], "test": ["c"], "target": [True]})
    models = pa.table({"enroll_model": ["m", "m"], "utt_id": ["a", "b"]})
    found = CalibrationTrials(trials, models, 2).with_crops()
    names = [("m", "c"), ("m", "c#crop"), ("m#crop", "c"), ("m#crop", "c#crop")]
    assert list(zip(*(found.trials[side].to_pylist() for side in ("enroll", "test")), strict=True)) == names
    members = [("m", "a"), ("m", "b"), ("m#crop", "a#crop"), ("m#crop", "b#crop")]
    assert [tuple(row.values()) for row in found.models.to_pylist()] == members
    assert found.size == 2


def trained_on(*speakers: str) -> Lineage:
    return Lineage((TrainedOn(speakers=speakers),))


@pytest.mark.parametrize("written", ["c/Zo\u00eb", "c/Zoe\u0308", "c/ZO\u00cb", "c/Zo\u00eb\u00a0", "c/\u200bZo\u00eb"])
def test_a_calibration_speaker_trained_on_is_found_however_the_name_is_written(written: str):
    trials = pa.table({"enroll": ["c/1"], "test": ["c/2"], "target": [False]})
    index = pa.table({"utt_id": ["c/1", "c/2"], "speaker": ["c/Zo\u00eb", "c/b"]})
    for trained, tested, what in (([written], set(), "trained on"), ([], {written}, "tested")):
        with pytest.raises(ValueError, match=rf"calibration speaker {what}: got 1 speakers .* At c/Zo\u00eb\."):
            check_calibration_speakers(trials, index, lineage=trained_on(*trained), tested=tested)
    found = check_calibration_speakers(trials, index, lineage=trained_on("c/Zoe"), tested={"c/Zoe"})
    assert found == {"c/Zo\u00eb", "c/b"}
