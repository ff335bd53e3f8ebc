"""Checks of trial lists, against lists small enough to count by hand and, for pairs, a plain Python count."""

import hashlib
import random
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from avis.lineage import Lineage, TrainedOn, audio_codes
from avis.schema import TRIALS
from avis.scoring.trial_checks import TrialChecks

CHECKS = (
    *("missing_ids", "shared_speakers", "shared_audio", "self_trials", "same_audio"),
    *("duplicates", "contradictions", "wrong_answers"),
)
NOTHING = dict.fromkeys(CHECKS, 0)
STORE = pa.table(
    {
        "utt_id": [f"vox/{name}" for name in ("a1", "a2", "b1", "b2", "c1")],
        "speaker": [f"vox/{name}" for name in "aabbc"],
        "corpus": ["vox"] * 5,
        "sha256": [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)],
    }
)
COPIES = STORE.set_column(3, "sha256", STORE["sha256"].take([0, 1, 0, 3, 1]))
"""The same where b1 has the samples of a1, and c1 those of a2."""


def checks(**actions: str) -> TrialChecks:
    lenient = dict.fromkeys(NOTHING, "flag") | {"missing_ids": "leave_out"}
    return TrialChecks(**(lenient | actions))  # type: ignore[arg-type]


def trained_on(*speakers: str) -> Lineage:
    return Lineage().then(TrainedOn(speakers=speakers))


def listed(*trials: tuple[str, str, bool | None]) -> pa.Table:
    return pa.Table.from_arrays([pa.array(column) for column in zip(*trials, strict=True)], schema=TRIALS)


CLEAN = (("a1", "a2", True), ("a1", "b1", False))


@pytest.mark.parametrize(
    ("trials", "check", "num", "message"),
    [
        pytest.param([("a1", "a1.wav", True)], "self_trials", 1, r"with itself.*At vox/a1 vox/a1\.", id="self"),
        pytest.param(
            [("vox/a1", "b1", False)], "duplicates", 1, r"1 trials that repeat.*At vox/a1 vox/b1\.", id="twice"
        ),
        pytest.param([("b1", "a1", False)], "duplicates", 1, r"At vox/a1 vox/b1\.", id="swapped"),
        pytest.param([("b1", "a1", False), ("a1", "b1", None)], "duplicates", 2, r"got 2 trials", id="three times"),
        pytest.param([("a2", "a1", False)], "contradictions", 1, r"1 pairs .* both .*At vox/a1 vox/a2\.", id="both"),
        pytest.param([("a2", "b1", True)], "wrong_answers", 1, r"got 1 trials .*At vox/a2 vox/b1\.", id="two speakers"),
        pytest.param([("b2", "b1", False)], "wrong_answers", 1, r"At vox/b1 vox/b2\.", id="one speaker"),
        pytest.param([("a1", "c1", False)], "shared_speakers", 1, r"got 1 speakers .*At vox/c\.", id="trained on"),
    ],
)
def test_each_fault_is_refused_or_counted(trials: list, check: str, num: int, message: str) -> None:
    faulty = listed(*CLEAN, *trials)
    with pytest.raises(ValueError, match=rf"{message}.*trial_checks\.{check}=flag"):
        checks(**{check: "refuse"}).apply(faulty, STORE, lineage=trained_on("vox/c"))
    found, flagged = checks().apply(faulty, STORE, lineage=trained_on("vox/c"))
    assert flagged[check] == num
    assert len(found) == len(faulty)
    assert found["target"].equals(faulty["target"])


def test_a_clean_list_passes_the_strictest_checks() -> None:
    strictest = TrialChecks(**dict.fromkeys(NOTHING, "refuse"))  # type: ignore[arg-type]
    found, flagged = strictest.apply(listed(*CLEAN), STORE, lineage=trained_on("vox/c", "vox/d"))
    assert flagged == NOTHING
    assert found["enroll"].to_pylist() == ["vox/a1", "vox/a1"]


@pytest.mark.parametrize(
    "trained",
    ["vox/Zo\u00eb Lee", "vox/Zoe\u0308 Lee", "vox/ZO\u00cb LEE", "vox/Zo\u00eb\u00a0\u200bLee ", "vox/Zo\u00ebLee"],
)
def test_a_speaker_trained_on_is_found_however_the_name_is_written(trained: str) -> None:
    for name in ("vox/Zo\u00eb Lee", "vox/Zoe\u0308 Lee"):
        speakers = pa.array([name if speaker == "vox/a" else speaker for speaker in STORE["speaker"].to_pylist()])
        store = STORE.set_column(1, "speaker", speakers)
        with pytest.raises(ValueError, match=r"speaker in both train and test: got 1 speakers.*At vox/Zo"):
            checks(shared_speakers="refuse").apply(listed(*CLEAN), store, lineage=trained_on("vox/x", trained))
        assert checks().apply(listed(*CLEAN), store, lineage=trained_on("vox/Zoe Lee"))[1]["shared_speakers"] == 0


@pytest.mark.parametrize("other", ["vox/Zoe\u0308", "vox/zo\u00eb", "vox/Zo\u00eb "])
def test_non_targets_of_one_person_are_wrong_answers(other: str) -> None:
    """In a store that was made before names were compared by form, or elsewhere."""
    store = STORE.set_column(1, "speaker", pa.array(["vox/Zo\u00eb", other, "vox/b", "vox/b", "vox/c"]))
    with pytest.raises(ValueError, match=r"got 1 trials whose answer.*At vox/a1 vox/a2\."):
        checks(wrong_answers="refuse").apply(
            listed(("a1", "b1", False), ("a1", "a2", False)), store, lineage=trained_on()
        )


def test_the_same_audio_under_two_ids_is_a_self_trial_in_disguise() -> None:
    trials = listed(*CLEAN, ("c1", "a1", False))
    with pytest.raises(ValueError, match=r"got 1 trials of the same samples under two ids.*At vox/a1 vox/b1\."):
        checks(same_audio="refuse").apply(trials, COPIES, lineage=trained_on())
    _, flagged = checks().apply(trials, COPIES, lineage=trained_on())
    assert flagged == NOTHING | {"same_audio": 1}


def test_audio_trained_on_is_found_whatever_it_is_called() -> None:
    heard = TrainedOn(speakers=["other/z"], audio=audio_codes(STORE["sha256"].take([1, 2])))
    lineage = Lineage((TrainedOn(speakers=["other/y"]), replace(heard, model="first.ckpt")))
    words = r"got 2 utterances of the trials whose samples were trained on.*At vox/a2, vox/b1 \(by first\.ckpt, which"
    with pytest.raises(ValueError, match=words):
        checks(shared_audio="refuse").apply(listed(*CLEAN), STORE, lineage=lineage)
    assert checks().apply(listed(*CLEAN), STORE, lineage=lineage)[1] == NOTHING | {"shared_audio": 2}


def test_speakers_of_all_models_before_count_and_the_model_is_named() -> None:
    before = TrainedOn(model="s3://lab/first.ckpt", speakers=["vox/A", "vox/c"])
    lineage = Lineage((before,)).then(TrainedOn(speakers=["vox/b"]))
    message = r"got 2 speakers .*At vox/b; vox/a \(by s3://lab/first\.ckpt, which the model comes from\)\."
    with pytest.raises(ValueError, match=message):
        checks(shared_speakers="refuse").apply(listed(*CLEAN), STORE, lineage=lineage)


def test_unknown_answers_contradict_nothing() -> None:
    _, flagged = checks().apply(listed(*CLEAN, ("a2", "a1", None)), STORE, lineage=trained_on())
    assert flagged == NOTHING | {"duplicates": 1}


def test_trials_of_missing_ids_are_refused_or_left_out_and_counted() -> None:
    trials = listed(*CLEAN, ("a1", "z9", False))
    with pytest.raises(ValueError, match=r"1 unknown ids.*At z9\..*trial_checks\.missing_ids=leave_out"):
        checks(missing_ids="refuse").apply(trials, STORE, lineage=trained_on())
    found, flagged = checks().apply(trials, STORE, lineage=trained_on())
    assert flagged == NOTHING | {"missing_ids": 1}
    assert len(found) == 2
    with pytest.raises(ValueError, match=r"no trial is left: got 1 trials .*At z9\."):
        checks().apply(listed(("z9", "a1", True)), STORE, lineage=trained_on())


def test_pairs_are_counted_as_plain_python_counts_them() -> None:
    draw = random.Random(0)
    ids = STORE["utt_id"].to_pylist()
    trials = [(draw.choice(ids), draw.choice(ids), draw.choice([True, False, None])) for _ in range(60)]
    pairs = Counter(frozenset(trial[:2]) for trial in trials)
    answers = {pair: {t[2] for t in trials if frozenset(t[:2]) == pair} - {None} for pair in pairs}
    speaker = dict(zip(ids, STORE["speaker"].to_pylist(), strict=True))
    _, flagged = checks().apply(listed(*trials), STORE, lineage=trained_on())
    assert flagged == NOTHING | {
        "self_trials": sum(one == other for one, other, _ in trials),
        "duplicates": sum(pairs.values()) - len(pairs),
        "contradictions": sum(len(given) == 2 for given in answers.values()),
        "wrong_answers": sum(
            known == (speaker[one] != speaker[other]) for one, other, known in trials if known is not None
        ),
    }


@pytest.mark.slow
def test_a_million_trials_take_a_second_or_two() -> None:
    ids = pa.array([f"vox/id{i:05d}/abcdefghijk/00001" for i in range(5000)])
    sha256 = [hashlib.sha256(name.encode()).hexdigest() for name in ids.to_pylist()]
    store = pa.table({"utt_id": ids, "speaker": ids, "corpus": ["vox"] * 5000, "sha256": sha256})
    rows = np.random.default_rng(0).integers(5000, size=(2, 1_000_000))
    named = [ids.take(pa.array(row)) for row in rows]
    trials = pa.Table.from_arrays([*named, pa.array(rows[0] % 2 == 0)], schema=TRIALS)
    start = time.process_time()
    _, flagged = checks().apply(trials, store, lineage=trained_on())
    assert time.process_time() - start < 4.0
    assert flagged["duplicates"] == 1_000_000 - len(set(zip(*np.sort(rows, axis=0).tolist(), strict=True)))


def test_an_unknown_speaker_contradicts_no_answer_and_is_nobody_elses() -> None:
    unknown = STORE.set_column(1, "speaker", pa.array(["vox/a", None, None, "vox/b", None]))
    trials = listed(("a1", "a2", False), ("a2", "b1", True), ("a2", "c1", False), ("b2", "a1", True))
    _, flagged = checks().apply(trials, unknown, lineage=trained_on())
    assert flagged == NOTHING | {"wrong_answers": 1}
