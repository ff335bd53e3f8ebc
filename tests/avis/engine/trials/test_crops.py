import numpy as np
import pyarrow as pa

from avis.engine.fitted.calibration_trials import CalibrationTrials
from avis.engine.trials.crops import Crops
from avis.scoring.calibration import log_duration, quality_features

RATE = 16_000
CROPS = Crops(2.0, 6.0, sample_rate=RATE, seed=0)


def test_crops_are_of_the_lengths_asked_for_and_lie_within_the_utterance() -> None:
    spans = np.array([CROPS.span(f"u{number}", 10 * RATE) for number in range(1000)])
    starts, lengths = spans.T
    assert (starts >= 0).all()
    assert (starts + lengths <= 10 * RATE).all()
    np.testing.assert_allclose(np.percentile(lengths / RATE, [0, 25, 50, 75, 100]), [2, 3, 4, 5, 6], atol=0.2)
    assert spans.tolist() == [list(CROPS.span(f"u{number}", 10 * RATE)) for number in range(1000)]
    assert CROPS.span("short", RATE) == (0, RATE)


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
