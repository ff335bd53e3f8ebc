import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling, _Resampler, paired_difference, speaker_intervals
from avis.metrics.figures import ACCURACY, CALIBRATION_LOSS, CLLR, EER, FMR, FNMR, MIN_CLLR, FigureSet, figures
from avis.metrics.intervals import Difference, Draws, Interval
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials

FIGURE_SET = FigureSet()


def simulated(
    num_speakers: int = 20, *, per_speaker: int = 6, noise: float = 1.0, seed: int = 0, decimals: int = 8
) -> Trials:
    """All pairs of utterances, with speakers who differ in how well they are recognised."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(num_speakers), per_speaker)
    one, other = np.triu_indices(speaker.size, k=1)
    enroll, test = speaker[one], speaker[other]
    voice = rng.normal(size=(num_speakers, 8))
    spread = rng.lognormal(sigma=0.5, size=num_speakers)
    vectors = voice[speaker] + noise * spread[speaker, None] * rng.normal(size=(speaker.size, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sum(vectors[one] * vectors[other], axis=1).round(decimals)
    return Trials(scores, enroll == test, 8 * scores - 4, enroll, test)


def repeated(trials: Trials, drawn: np.ndarray) -> Trials:
    """The trials written out as often as a draw weighs them."""
    weight = np.where(
        trials.target, drawn[trials.enroll_speaker], drawn[trials.enroll_speaker] * drawn[trials.test_speaker]
    )
    return trials.take(np.repeat(np.arange(len(weight)), weight))


@pytest.mark.parametrize("decimals", [1, 8])
def test_weights_mean_repeated_trials(decimals: int) -> None:
    trials = simulated(decimals=decimals)
    threshold = summarize(trials.scores, trials.target).eer_threshold
    resampler = _Resampler(trials, figure_set=FIGURE_SET, threshold=None)
    rng = np.random.default_rng(1)
    for _ in range(5):
        drawn = rng.multinomial(20, np.full(20, 1 / 20))
        written = repeated(trials, drawn)
        expected = dict(summarize(written.scores, written.target, written.llr).figures)
        expected[FNMR] = np.mean(written.scores[written.target] < threshold)
        expected[FMR] = np.mean(written.scores[~written.target] >= threshold)
        expected[ACCURACY] = np.mean((written.scores >= threshold) == written.target)
        assert figures(resampler.weighted(drawn), FIGURE_SET) == pytest.approx(expected, abs=1e-12)


def test_every_figure_has_an_interval_that_may_be_had_again() -> None:
    trials, resampling = simulated(), Resampling(num_draws=200, confidence=0.9, seed=3)
    found = speaker_intervals(trials, resampling, figure_set=FIGURE_SET)
    summary = summarize(trials.scores, trials.target, trials.llr)
    assert found.draws == Draws(confidence=0.9, num_draws=200, num_empty=0, num_speakers=20)
    assert list(found.figures) == list(summary.figures)
    low, high = found.figures[EER]
    assert low < summary.figures[EER] < high
    order = np.random.default_rng(0).permutation(len(trials.scores))
    again = speaker_intervals(trials.take(order), resampling, figure_set=FIGURE_SET)
    for figure, ends in again.figures.items():
        assert ends == pytest.approx(found.figures[figure], abs=1e-12)
    named = trials._replace(
        enroll_speaker=np.char.add("id", np.char.zfill(trials.enroll_speaker.astype(str), 2)),
        test_speaker=np.char.add("id", np.char.zfill(trials.test_speaker.astype(str), 2)),
    )
    assert speaker_intervals(named, resampling, figure_set=FIGURE_SET) == found


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Fresh speakers from one population; drawing trials instead of speakers holds it far more rarely."""
    truth = summarize(*simulated(300, per_speaker=3, noise=0.8, seed=99)[:2]).figures[EER]
    by_speaker = by_trial = 0
    for seed in range(16):
        trials = simulated(20, per_speaker=4, noise=0.8, seed=seed)
        low, high = speaker_intervals(trials, Resampling(60, 0.9, seed), figure_set=FigureSet({}, ())).figures[EER]
        by_speaker += low <= truth <= high
        rng = np.random.default_rng(seed)
        eers = []
        for _ in range(20):
            sample = trials.take(rng.integers(0, len(trials.scores), len(trials.scores)))
            eers.append(summarize(sample.scores, sample.target, figure_set=FigureSet({}, ())).figures[EER])
        by_trial += np.quantile(eers, 0.05) <= truth <= np.quantile(eers, 0.95)
    assert by_speaker >= 11
    assert by_trial < by_speaker


@pytest.mark.slow
def test_intervals_after_fitting_hold_the_truth_and_the_figure() -> None:
    """Draws fit their own trials too well: percentiles lay above the true calibration loss in nearly all lists."""

    def of_all(num_speakers: int, seed: int) -> Trials:
        rng = np.random.default_rng(seed)
        speaker = np.repeat(np.arange(num_speakers), 4)
        vectors = rng.normal(size=(num_speakers, 8))[speaker] + 0.55 * rng.normal(size=(speaker.size, 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        one, other = np.triu_indices(speaker.size, k=1)
        scores = np.sum(vectors[one] * vectors[other], axis=1)
        return Trials(scores, speaker[one] == speaker[other], 12.0 * scores - 5.8, speaker[one], speaker[other])

    figure_set = FigureSet(protocols={}, fmrs=())
    whole = of_all(300, 0)
    truth = summarize(*whole[:3], figure_set=figure_set).figures
    held = {CALIBRATION_LOSS: 0, MIN_CLLR: 0}
    for seed in range(1, 21):
        trials = of_all(40, seed)
        own = summarize(*trials[:3], figure_set=figure_set).figures
        intervals = speaker_intervals(trials, Resampling(60, 0.95, seed), figure_set=figure_set).figures
        for figure in held:
            low, high = intervals[figure]
            assert 0.0 <= low <= own[figure] <= high
            held[figure] += low <= truth[figure] <= high
    assert min(held.values()) >= 15


def test_draws_without_targets_are_left_out_and_counted() -> None:
    trials = Trials(
        np.array([3.0, 1.0, 0.0, 2.0]),
        np.array([True, False, False, False]),
        None,
        *np.array([[0, 0, 0, 1], [0, 1, 2, 2]]),
    )
    found = speaker_intervals(trials, Resampling(300, 0.95, 0), figure_set=FIGURE_SET)
    assert 0 < found.draws.num_empty < 300
    assert np.isfinite(list(found.figures.values())).all()
    alone = Trials(np.array([1.0, 0.0]), np.array([True, False]), None, np.array([0, 1]), np.array([0, 2]))
    few = [speaker_intervals(alone, Resampling(1, 0.95, seed), figure_set=FIGURE_SET) for seed in range(10)]
    assert {(each.draws.num_empty, not each.figures) for each in few} == {(0, False), (1, True)}


def test_speakers_must_agree_with_the_answers() -> None:
    trials = simulated()
    wrong = trials._replace(target=np.roll(trials.target, 1))
    with pytest.raises(ValueError, match=r"got target=(True|False) for the speakers 0 and \d"):
        speaker_intervals(wrong, Resampling(2, 0.95, 0), figure_set=FIGURE_SET)


@pytest.mark.parametrize(
    ("resampling", "message"), [(Resampling(0, 0.95, 0), "num_draws=0"), (Resampling(9, 1.0, 0), "confidence=1.0")]
)
def test_resampling_out_of_range(resampling: Resampling, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speaker_intervals(simulated(), resampling, figure_set=FIGURE_SET)


def test_equal_systems_do_not_differ() -> None:
    trials = simulated()
    found = paired_difference(trials, trials, Resampling(50, 0.95, 0), figure_set=FIGURE_SET).figures
    assert found[EER] == Difference(0.0, Interval(0.0, 0.0), 1.0)


@pytest.mark.slow
def test_pairing_sees_a_small_difference_that_two_intervals_hide() -> None:
    trials = simulated(40, noise=0.7)
    rng = np.random.default_rng(5)
    worse = trials._replace(scores=trials.scores + rng.normal(0, 0.15, trials.scores.size), llr=None)
    resampling = Resampling(300, 0.95, 0)
    paired = paired_difference(worse, trials, resampling, figure_set=FIGURE_SET).figures
    assert CLLR not in paired
    assert paired[EER].difference == pytest.approx(
        summarize(*worse[:2]).figures[EER] - summarize(*trials[:2]).figures[EER], abs=1e-12
    )
    assert paired[EER].interval.low > 0
    assert paired[EER].p_value < 0.05
    ours, theirs = (speaker_intervals(t, resampling, figure_set=FIGURE_SET).figures[EER] for t in (worse, trials))
    assert ours.low < theirs.high
    turned = paired_difference(trials, worse, resampling, figure_set=FIGURE_SET).figures[EER]
    assert turned.interval == pytest.approx([-end for end in reversed(paired[EER].interval)])


def test_noise_alone_is_rarely_called_a_difference() -> None:
    values = []
    for seed in range(12):
        trials = simulated(15, per_speaker=4, seed=seed)
        rng = np.random.default_rng(seed)
        one, other = (
            trials._replace(scores=trials.scores + rng.normal(0, 0.2, trials.scores.size), llr=None) for _ in range(2)
        )
        found = paired_difference(one, other, Resampling(60, 0.95, seed), figure_set=FigureSet({}, ()))
        values.append(found.figures[EER].p_value)
    assert np.mean(np.array(values) < 0.05) <= 0.25


def test_pairing_needs_one_list() -> None:
    trials = simulated()
    with pytest.raises(ValueError, match="same trials"):
        paired_difference(trials, trials.take(slice(1, None)), Resampling(9, 0.95, 0), figure_set=FIGURE_SET)
