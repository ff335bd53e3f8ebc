"""Own voices tell what to expect of a verifier: honestly, and no more than they can bear out."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi, nct, norm
from scipy.stats import t as students_t

from avis.corpora.files import NO_SESSION
from avis.metrics.binomial import binomial_interval
from avis.metrics.bootstrap import Resampling
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.calibration import Calibration
from avis.verifier import OwnRecording, Verifier, Voiceprint, calibrate
from avis.verifier.folder import CALIBRATING, CARD, write_folder
from avis.verifier.own_voices import crossing, rates
from avis.verifier.own_voices.crossing import cross_validated
from avis.verifier.own_voices.forms import Scored
from avis.verifier.own_voices.rates import rate
from tests.avis.conftest import RATE

DIM = 16
WITHIN = 0.6


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(rates, "DRAWS", Resampling(num_draws=20, confidence=0.95, seed=0))


def voiceprint(embedding, speech_s=4.0):
    vector = None if embedding is None else np.asarray(embedding, np.float32)
    sha256 = "" if vector is None else vector.tobytes().hex()
    unheard = "0.1 s of speech" if vector is None else None
    return Voiceprint(embedding=vector, speech_s=speech_s, quality={}, unheard=unheard, model="0" * 64, sha256=sha256)


def own(name, embedding, session=NO_SESSION, cuts=()):
    return OwnRecording(name=name, voiceprint=voiceprint(embedding), session=session, cuts=dict(cuts))


def simulated(seed, num_people, num_recordings):
    """Voices at random in all directions, recordings of each around it."""
    rng = np.random.default_rng(seed)
    return {
        f"p{person}": [
            own(f"p{person}/{each}", voice + WITHIN * rng.normal(size=DIM)) for each in range(num_recordings)
        ]
        for person, voice in enumerate(rng.normal(size=(num_people, DIM)))
    }


def apart(num_people, num_recordings, scatter=0.05):
    """Voices at right angles."""
    rng = np.random.default_rng(0)
    return {
        f"p{person}": [
            own(f"p{person}/{each}", np.eye(DIM)[person] + scatter * rng.normal(size=DIM))
            for each in range(num_recordings)
        ]
        for person in range(num_people)
    }


def true_rates(score):
    """Return how often the cosine of simulated voices is above a score for two people, and below it for one.

    The tangent's reciprocal of the angle between two directions is Student's over the root of its degrees of freedom,
    for one voice noncentral by the length of the first side.
    """
    cotangent = score / math.sqrt(1 - score**2) * math.sqrt(DIM - 1)
    common = 1 / (1 + WITHIN**2)
    shift = common / math.sqrt(1 - common**2)
    of_one, _ = quad(lambda length: chi.pdf(length, DIM) * nct.cdf(cotangent, DIM - 1, shift * length), 0.5, 9)
    return float(students_t.sf(cotangent, DIM - 1)), of_one


def test_true_rates_are_those_of_many_simulated_pairs():
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(3, 200_000, DIM))
    one, same, other = voices[0] + WITHIN * voices[1], voices[0] + WITHIN * voices[2], rng.normal(size=(200_000, DIM))

    def cosines(left, right):
        return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)

    expected = (cosines(one, other) >= 0.4).mean(), (cosines(one, same) < 0.4).mean()
    assert true_rates(0.4) == pytest.approx(expected, abs=0.002)


@pytest.mark.slow
def test_stated_intervals_hold_the_true_rates(verifier, few_draws):
    held = []
    for seed in range(16):
        told = calibrate(verifier, simulated(seed, 9, 3))
        of_two, of_one = true_rates(told.score)
        for stated, true in ((told.whole.false_accepts, of_two), (told.whole.false_rejects, of_one)):
            held.append(stated.low <= true <= stated.high)
    assert np.mean(held) >= 0.9


@pytest.mark.parametrize("spread", [10.0, 100.0])
def test_an_interval_is_over_people_and_not_over_their_trials(spread):
    """Of each of 12 people some share is rejected, a tenth on average."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 20)[:, None].repeat(2, axis=1)
    held = []
    for _ in range(300):
        wrong = rng.random(240) < rng.beta(0.1 * spread, 0.9 * spread, size=12)[speakers[:, 0]]
        told = rate(wrong, speakers)
        held.append(told.low <= 0.1 <= told.high)
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("of_people", [0.0, 0.1])
def test_pairs_count_as_far_as_they_are_independent(of_people):
    """A tenth of the pairs of 12 people is accepted, by chance or since some people are like all others."""
    rng = np.random.default_rng(0)
    speakers = np.column_stack(np.triu_indices(12, 1))
    held, widths = [], []
    for _ in range(300):
        alike = math.sqrt(of_people) * rng.normal(size=12)[speakers].sum(axis=1)
        wrong = alike + math.sqrt(1 - 2 * of_people) * rng.normal(size=66) > norm.isf(0.1)
        told = rate(wrong, speakers)
        held.append(told.low <= 0.1 <= told.high)
        widths.append(told.high - told.low)
    assert np.mean(held) >= 0.93
    low, high = binomial_interval(7, 66, 0.95)
    assert np.mean(widths) < 1.3 * (high - low)


def test_no_error_is_a_bound_and_never_nought(verifier):
    told = calibrate(verifier, apart(4, 2))
    whole = told.whole
    assert (whole.num_target, whole.num_nontarget) == (4, 24)
    assert whole.false_accepts.num_wrong == whole.false_rejects.num_wrong == 0
    assert whole.false_accepts.high == pytest.approx(1 - 0.05 ** (1 / 6))  # six pairs of people
    assert whole.false_rejects.high == whole.eer.high == pytest.approx(1 - 0.05 ** (1 / 4))
    assert "False accepts: none in 24, so at most 39 % of pairs of two people." in str(told)
    assert " 0 %" not in str(told).replace("Unsure: 0 % of pairs of one person, 0 % of two.", "")


def test_of_many_the_bound_is_three_by_their_number():
    told = rate(np.zeros(10_000, bool), np.arange(20_000).reshape(-1, 2))
    assert told.high == pytest.approx(3 / 10_000, rel=0.01)


def test_nobody_is_judged_by_a_calibration_that_knew_them():
    rng = np.random.default_rng(0)
    speakers = np.array([(one, other) for one in range(5) for other in range(one, 5)] * 3)
    target = speakers[:, 0] == speakers[:, 1]
    scores = target + 0.7 * rng.normal(size=len(target))
    trials = Scored(scores, np.zeros((len(scores), 2)), target, speakers)
    (decided,) = cross_validated(trials, [trials], 5)
    for one, other in ((0, 0), (1, 3)):
        others = ~np.isin(speakers, (one, other)).any(axis=1)
        by_hand = Calibration(p_target=0.05, l2=1e-4, measures=["duration"])
        by_hand.fit(scores[others], np.zeros((others.sum(), 2)), target[others], speakers[others])
        judged = (speakers == (one, other)).all(axis=1)
        expected = by_hand.uncapped_llr(scores[judged], np.zeros((judged.sum(), 2)))
        assert decided.llr[judged] == pytest.approx(expected, abs=1e-5)
    assert np.isfinite(decided.llr).all()


def test_the_order_of_people_and_recordings_does_not_matter(verifier, few_draws):
    voices = simulated(1, 6, 3)
    turned = {person: voices[person][::-1] for person in reversed(voices)}
    assert calibrate(verifier, voices).plain() == calibrate(verifier, turned).plain()


def test_thinned_trials_tell_about_the_same(verifier, few_draws, monkeypatch):
    voices = simulated(2, 10, 4)
    whole = calibrate(verifier, voices).score
    monkeypatch.setattr(crossing, "MOST_FITTED", 300)
    assert calibrate(verifier, voices).score == pytest.approx(whole, abs=0.05)


def test_a_copy_is_left_out_and_one_of_two_people_refused(verifier):
    voices = apart(4, 2)
    first = voices["p0"][0]
    told = calibrate(verifier, voices | {"p0": [*voices["p0"], dataclasses.replace(first, name="p0/copy")]})
    assert told.whole.num_target == 4
    assert "Left out: p0/copy, which is the same recording as p0/0." in told.notes
    twice = calibrate(verifier, voices | {"p0": [*voices["p0"], first]})
    assert "Left out: p0/0, which is the same recording as p0/0." in twice.notes
    with pytest.raises(ValueError, match=r"one recording of two people: .*At p0/0 and p1/stolen"):
        calibrate(verifier, voices | {"p1": [dataclasses.replace(first, name="p1/stolen")]})


def test_sessions_are_compared_with_each_other_where_there_are_several(verifier):
    voices = apart(4, 4)
    voices["p0"] = [dataclasses.replace(each, session=f"s{number % 2}") for number, each in enumerate(voices["p0"])]
    told = calibrate(verifier, voices)
    assert told.whole.num_target == 4 + 3 * 6  # of p0 two by two, of the others all
    assert "Left out: 2 pairs of one person within one session, where others are across sessions." in told.notes
    assert any(note.startswith("One session only of 3 people (p1, p2, p3)") for note in told.notes)


def test_what_is_not_heard_is_left_out_and_said(verifier):
    told = calibrate(verifier, apart(4, 2) | {"p9": [own("p9/hush", None)]})
    assert told.num_people == 4
    assert told.notes[0] == "Left out: p9/hush, in which too little is heard (0.1 s of speech)."


@pytest.mark.parametrize(("num_people", "num_recordings"), [(0, 0), (1, 4), (3, 1)])
def test_too_few_voices_are_refused(verifier, num_people, num_recordings):
    with pytest.raises(ValueError, match=rf"nothing to calibrate on: got {num_people} people with at most .*expected"):
        calibrate(verifier, apart(num_people, num_recordings))


def test_it_says_what_so_few_people_cannot_tell(verifier):
    told = calibrate(verifier, apart(5, 2), operating_point=OperatingPoint(0.01))
    assert "5 people: at best 1 in 3 false accepts. It takes 15 people or more" in told.refusal
    assert told.score is told.whole.false_accepts is told.whole.unsure_same is None
    assert told.whole.eer.num_wrong == 0
    with pytest.raises(ValueError, match=r"nothing to decide by: got 5 people, .* a threshold of 99 is beyond"):
        told.calibrated(verifier)
    assert "3 people are too few to judge some" in calibrate(verifier, apart(3, 3)).refusal
    lonely = apart(6, 1) | {"p0": apart(1, 2)["p0"]}
    assert "too few of 6 people have two recordings" in calibrate(verifier, lonely).refusal


def test_scores_that_tell_nobody_apart_decide_nothing(verifier):
    turned = {
        f"p{person}": [own(f"p{person}/{sign}", sign * np.eye(DIM)[person]) for sign in (1.0, -1.0)]
        for person in range(5)
    }
    told = calibrate(verifier, turned)
    assert told.refusal == "the scores tell these people, or some of them, apart no better than chance."
    assert told.calibration is None


def test_what_is_shorter_than_all_voices_is_unsure_and_cuts_are_voices(verifier, few_draws):
    """Voices of 4 s each say nothing of 2 s, but of what is a little shorter, or longer; cut to 1 s they do."""
    plain = apart(8, 3)
    cut = {
        person: [
            dataclasses.replace(each, cuts={1.0: dataclasses.replace(each.voiceprint, speech_s=0.97)}) for each in own
        ]
        for person, own in plain.items()
    }
    outcomes = []
    for voices in (plain, cut):
        calibrated = calibrate(verifier, voices).calibrated(verifier)
        one, other = (np.eye(DIM)[0] + 0.02 * np.eye(DIM)[at] for at in (1, 2))
        made = [calibrated.verify(voiceprint(one), voiceprint(other, s)).outcome for s in (2.0, 3.8, 4.0, 20.0)]
        outcomes.append(made)
    assert outcomes == [["unsure", "match", "match", "match"], ["match"] * 4]


def test_who_is_confusable_is_named(verifier, few_draws):
    voices = apart(8, 3, scatter=0.2)
    rng = np.random.default_rng(1)
    voices["twin"] = [own(f"twin/{each}", np.eye(DIM)[3] + 0.2 * rng.normal(size=DIM)) for each in range(3)]
    told = calibrate(verifier, voices)
    assert told.confusable[0].people == ("p3", "twin")
    assert told.confusable[0].num_trials == 9
    assert told.confusable[0].num_accepted > 5
    assert "Confusable: p3 and twin, accepted in " in str(told)


def test_it_takes_as_many_seconds_as_recordings_need_to_be_as_good_as_whole(verifier, few_draws):
    voices = apart(6, 3)
    rng = np.random.default_rng(2)
    for person, recordings in voices.items():
        voices[person] = [
            dataclasses.replace(
                each,
                cuts={
                    1.0: voiceprint(rng.normal(size=DIM), speech_s=1.0),
                    2.0: voiceprint(each.voiceprint.embedding + 0.01 * rng.normal(size=DIM), speech_s=2.0),
                },
            )
            for each in recordings
        ]
    told = calibrate(verifier, voices)
    assert list(told.by_seconds) == [1.0, 2.0]
    assert told.by_seconds[1.0].eer.value > 0.3
    assert told.by_seconds[2.0].eer.value == 0.0
    assert told.enough_s == 2.0
    assert told.calibration.facts()["num_target"] == 4 * told.whole.num_target  # cut or whole on either side
    assert "From 2 s of speech on" in str(told)


def test_a_recording_is_cut_to_seconds_of_speech(verifier):
    bursts = np.arange(5 * RATE) // (RATE // 2) % 2 == 0  # half a second each, with half a second between them
    paused = np.where(bursts, 0.1, 0.001) * np.random.default_rng(0).normal(size=5 * RATE)
    made = OwnRecording.of(verifier, (paused, RATE), name="a")
    assert list(made.cuts) == [1.0, 2.0]
    for seconds, cut in made.cuts.items():
        assert cut.speech_s == pytest.approx(seconds, abs=0.1)
        beginning = verifier.embed((paused[: round((2 * seconds - 0.5) * RATE)], RATE))
        assert cut.embedding == pytest.approx(beginning.embedding, rel=0.05, abs=0.05)
    assert OwnRecording.of(verifier, (0 * paused, RATE), name="a").cuts == {}


def test_the_calibrated_verifier_decides_at_the_stated_score(verifier, few_draws, tmp_path):
    told = calibrate(verifier, simulated(3, 10, 4), operating_point=OperatingPoint(0.3))
    write_folder(str(tmp_path), told.calibrated(verifier).parts)
    again = Verifier.load(tmp_path)
    assert again.threshold == pytest.approx(math.log(0.7 / 0.3))
    assert again.parts.calibrating == CALIBRATING
    there = np.append(1.0, np.zeros(DIM - 1))
    at_score = told.score * there + math.sqrt(1 - told.score**2) * np.eye(DIM)[1]
    verdict = again.verify(voiceprint(there), voiceprint(at_score))
    assert verdict.score == pytest.approx(told.score, abs=1e-5)
    assert verdict.llr == pytest.approx(again.threshold, abs=1e-4)
    assert verdict.outcome == "unsure"
    card = (tmp_path / CARD).read_text()
    assert "Calibrated on 10 speakers" in card
    assert "These are one's own voices (10 people, 4 recordings each), and of others like them" in card
    assert "| own voices | " in card


def test_it_is_data_for_json(verifier, few_draws):
    plain = json.loads(json.dumps(calibrate(verifier, simulated(4, 8, 3)).plain()))
    assert plain["whole"]["false_accepts"].keys() >= {"value", "low", "high", "num_wrong", "num_trials"}
    assert plain["calibration"]["num_speakers"] == 8
    assert plain["threshold"] == 0.0


def test_a_voice_of_another_model_is_refused(verifier):
    voices = apart(4, 2)
    foreign = dataclasses.replace(voices["p0"][0].voiceprint, model="f" * 64)
    voices["p0"][0] = dataclasses.replace(voices["p0"][0], voiceprint=foreign)
    with pytest.raises(ValueError, match="voiceprint of another model"):
        calibrate(verifier, voices)
