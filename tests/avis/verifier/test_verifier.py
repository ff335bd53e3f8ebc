"""A verifier embeds whatever it is handed alike, decides by the interval of the ratio, and scores no silence."""

import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from avis.metrics.operating_point import OperatingPoint
from avis.verifier import Verifier
from avis.verifier.folder import BACKEND, CALIBRATION, CARD, CONFIG, WEIGHTS, read_folder, write_folder
from tests.avis.conftest import RATE, talk


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


def test_a_folder_holds_all_of_it(parts, verifier, recording, tmp_path):
    folder = str(tmp_path / "verifier")
    write_folder(folder, parts)
    assert {path.name for path in Path(folder).iterdir()} == {CONFIG, WEIGHTS, BACKEND, CALIBRATION, CARD}
    one, other = recording(1), recording(2)
    for path in (folder, str(tmp_path)):  # a run has its verifier within
        again = Verifier.load(path)
        assert again.verify(one, other) == verifier.verify(one, other)
        assert again.parts.config == verifier.parts.config
    (Path(folder) / CONFIG).unlink()
    with pytest.raises(ValueError, match=r"no verifier: got no config\.json"):
        Verifier.load(folder)


def test_a_path_bytes_a_file_and_samples_are_one_voice(verifier, recording):
    path = recording(1)
    expected = verifier.embed(path).embedding
    with open(path, "rb") as file:
        given = [Path(path), file.read(), (talk(1), RATE), (np.stack([talk(1)] * 2, axis=1), RATE)]
        file.seek(0)
        for source in [*given, file]:
            assert np.array_equal(verifier.embed(source).embedding, expected)
    print_of_it = verifier.embed(path)
    assert verifier.embed(print_of_it) is print_of_it


def test_integers_are_what_they_stand_for(verifier):
    floats = np.round(talk(1) * 32768) / 32768
    as_16_bits = (floats * 32768).astype(np.int16)
    expected = verifier.embed((floats.astype(np.float32), RATE)).embedding
    assert np.array_equal(verifier.embed((as_16_bits, RATE)).embedding, expected)


def test_an_embedding_is_the_models_own(parts, verifier):
    import torch

    model, front_end = parts.checkpoint.build_model().eval(), parts.checkpoint.build_front_end()
    values = np.round(talk(4) * 32768).clip(-32768, 32767) / 32768
    with torch.inference_mode():
        expected = model(front_end(torch.from_numpy(values.astype(np.float32)))[None])[0].numpy()
    assert verifier.embed((talk(4), RATE)).embedding == pytest.approx(expected, abs=1e-5)


def test_a_long_recording_is_embedded_in_windows(parts, verifier):
    windowed = Verifier(dataclasses.replace(parts, max_window_s=2.0))
    long = talk(3, duration_s=4.0)
    halves = [verifier.embed((half, RATE)).embedding for half in (long[: 2 * RATE], long[2 * RATE :])]
    assert windowed.embed((long, RATE)).embedding == pytest.approx(np.mean(halves, axis=0), abs=1e-5)


def test_scores_of_matrices_are_cosines(verifier):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(3, 16)), rng.normal(size=(2, 16))
    expected = one @ other.T / np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    assert verifier.score(one, other) == pytest.approx(expected, abs=1e-6)


def test_the_ratio_is_the_calibrations_for_score_and_durations(verifier, recording):
    verdict = verifier.verify(recording(1), recording(2))
    weights, offset = (verifier.calibration.state()[key] for key in ("weights", "offset"))
    log_s = np.log(verdict.speech_s)
    by_hand = weights @ [verdict.score, log_s.min(), abs(log_s[0] - log_s[1])] + offset
    assert verdict.llr == pytest.approx(float(np.clip(by_hand, *verdict.llr_bounds)), abs=1e-4)
    assert verdict.llr_interval[0] <= verdict.llr <= verdict.llr_interval[1]


def test_outcomes_are_told_by_the_interval(parts, verifier, recording):
    one, other = recording(1), recording(2)
    lower, upper = verifier.verify(one, other).llr_interval
    assert verifier.bounds[0] < lower < upper < verifier.bounds[1]
    outcomes = []
    for threshold in (lower - 0.01, (lower + upper) / 2, upper + 0.01):
        point = OperatingPoint(1 / (1 + math.exp(threshold)))
        outcomes.append(Verifier(dataclasses.replace(parts, operating_point=point)).verify(one, other).outcome)
    assert outcomes == ["match", "unsure", "no_match"]


@pytest.mark.parametrize("p_target", [1e-6, 1 - 1e-6])
def test_a_threshold_that_the_calibration_does_not_reach_decides_nothing(parts, recording, p_target):
    beyond = Verifier(dataclasses.replace(parts, operating_point=OperatingPoint(p_target)))
    for other in (recording(1), recording(2)):
        verdict = beyond.verify(recording(1), other)
        assert verdict.outcome == "unsure"
        assert any("bears out no log-likelihood ratios beyond" in warning for warning in verdict.warnings)


def test_nothing_is_sure_without_calibration(parts, recording):
    verdict = Verifier(dataclasses.replace(parts, calibration=None)).verify(recording(1), recording(1))
    assert (verdict.outcome, verdict.llr) == ("unsure", None)
    assert verdict.score == pytest.approx(1.0, abs=1e-6)
    assert "Both are the same recording." in verdict.warnings
    assert any("calibrated" in warning for warning in verdict.warnings)


@pytest.mark.parametrize(
    "silence",
    [np.zeros(3 * RATE, np.float32), talk(1)[:200], 1e-6 * talk(1), np.full(3 * RATE, 0.25, np.float32)],
)
def test_silence_has_no_score(verifier, recording, silence):
    verdict = verifier.verify(recording(1), (silence, RATE))
    assert verdict.outcome == "not_heard"
    assert verdict.score is verdict.llr is None
    assert verdict.speech_s[1] == 0.0
    assert "Not heard" in str(verdict)
    assert any(warning.startswith("The second recording: ") for warning in verdict.warnings)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"text",
        (np.array([np.nan] * 9000, np.float32), RATE),
        (talk(1), 5),
        (talk(1), float("nan")),
        (talk(1), "16000"),
        (np.zeros((2, 2, 2)), RATE),
        (talk(1)[None], RATE),
        ([], RATE),
        talk(1),
        (talk(1),),
        None,
        io.StringIO("a.wav"),
        "/tmp",
    ],
)
def test_what_is_no_recording_is_one_clear_error(verifier, bad):
    with pytest.raises(ValueError, match=r"got .*expected .*At "):
        verifier.embed(bad)


def test_what_speaks_against_a_recording_is_said(verifier, recording):
    loud = np.clip(20 * talk(1), -1, 1)
    rng = np.random.default_rng(0)
    noisy = talk(2) + 0.03 * rng.normal(size=3 * RATE).astype(np.float32)
    warnings = " ".join(verifier.verify((loud, RATE), (noisy, RATE)).warnings)
    assert "The first recording is clipped" in warnings
    assert "The second recording is noisy" in warnings
    narrow = verifier.verify(recording(1), (talk(2, rate=6000), 6000))
    assert any("The second recording holds nothing above" in warning for warning in narrow.warnings)


def test_files_come_one_by_one_with_what_is_wrong_with_them(verifier, recording, tmp_path):
    (tmp_path / "a.txt").write_text("no audio")
    paths = [recording(1), str(tmp_path / "a.txt"), recording(2)]
    made = dict(verifier.embed_files(paths))
    assert list(made) == paths
    assert isinstance(made[paths[1]], ValueError)
    assert np.array_equal(made[paths[2]].embedding, verifier.embed(paths[2]).embedding)


@pytest.fixture
def changed(parts, tmp_path):
    """Return what writes the verifier with other values in its configuration: ``changed({"format": 2})``."""

    def made(change):
        write_folder(str(tmp_path), parts)
        config = json.loads((tmp_path / CONFIG).read_text())
        for key, value in change.items():
            *groups, last = key.split(".")
            node = config
            for group in groups:
                node = node[group]
            node[last] = value
        (tmp_path / CONFIG).write_text(json.dumps(config))
        return str(tmp_path)

    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model._target_": "os.system"}, "recipe of a checkpoint refused"),
        ({"scoring": {"_target_": "avis.models.ecapa_tdnn.EcapaTdnn"}}, "unknown component"),
        ({"scoring": {"_target_": "avis.scoring.trials.read_trials", "path": "/etc/passwd"}}, "expected a Backend or"),
        ({"calibration._target_": "avis.scoring.cosine.Cosine"}, "expected a Calibration"),
        ({"calibration.measures": ["cohort_mean"]}, "measures"),
        ({"calibration.measures": ["foo"]}, "measures"),
        ({"format": 99}, "format=99"),
        ({"checkpoint": 5}, "checkpoint=5"),
        ({"hearing": {"sample_rate": 16000}}, "hearing.channel"),
        ({"hearing.sample_rate": 8000}, "for a front end of 16000 Hz"),
        ({"hearing.channel": "foo"}, "hearing.channel"),
        ({"hearing.min_duration_s": 1e9}, "hearing.min_duration_s"),
        ({"operating_point": None}, "operating_point"),
        ({"operating_point.p_target": 2}, "An operating point has a prior"),
        ({"operating_point.c_miss": 1e300, "operating_point.c_fa": 1e-300}, "got "),
        ({"max_window_s": 0}, "max_window_s=0"),
        ({"max_window_s": "x"}, "max_window_s='x'"),
        ({"figures": [1]}, "figures"),
        ({"figures.list.eer": "x"}, "figures.list.eer"),
        ({"other": 1}, "other=1"),
    ],
)
def test_a_strangers_folder_runs_nothing_and_says_what_is_wrong(changed, change, message):
    with pytest.raises(ValueError, match=message) as refused:
        Verifier.load(changed(change))
    assert "At " in str(refused.value)


def test_a_folder_of_an_earlier_version_is_refused_and_made_anew(parts, changed):
    folder = changed({"format": 1})
    with pytest.raises(ValueError, match=r"earlier version: got format=1, expected 3\. At .*resume=<its run>"):
        Verifier.load(folder)
    write_folder(folder, parts)
    assert Verifier.load(folder).parts.config == parts.config


@pytest.mark.parametrize("name", [WEIGHTS, BACKEND, CALIBRATION])
def test_damaged_files_are_named(parts, tmp_path, name):
    write_folder(str(tmp_path), parts)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"file damaged or of another model: .*At {tmp_path}/{name}"):
        read_folder(str(tmp_path))
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=rf"file missing: .*At {tmp_path}/{name}"):
        read_folder(str(tmp_path))


def test_a_voiceprint_of_another_model_is_refused(verifier):
    voiceprint = dataclasses.replace(verifier.embed((talk(1), RATE)), model="f" * 64)
    with pytest.raises(ValueError, match="voiceprint of another model: got one of ffffffffffff"):
        verifier.verify(voiceprint, voiceprint)


def test_the_card_says_what_it_is(parts, tmp_path):
    write_folder(str(tmp_path), parts)
    card = (tmp_path / CARD).read_text()
    assert "| list | 3.40 [1.00, 6.00] | 10, 20 |" in card
    assert "Calibrated on 30 speakers" in card
    assert "1 speaker" in card
