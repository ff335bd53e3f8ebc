import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from avis.metrics.list_metrics import CalibrationFacts
from avis.reports.wording import capped_at, fitted_on
from avis.scoring.calibration import Calibration, log_duration, log_magnitude, quality_features


def gaussian(seed: int, num: int, mean: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated natural-log ratios: targets ~ N(m, 2m), the others ~ N(-m, 2m)."""
    rng = np.random.default_rng(seed)
    target = np.arange(num) % 5 == 0
    return np.where(target, mean, -mean) + np.sqrt(2 * mean) * rng.normal(size=num), target


def nothing(scores: np.ndarray) -> np.ndarray:
    return np.zeros((len(scores), 0))


def oracle(eer: float, num: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores of which ``20 * score - 8`` is the ratio: N(s^2/2, s^2) of targets, N(-s^2/2, s^2) of as many others."""
    deviation = -2.0 * norm.ppf(eer)
    target = np.arange(2 * num) < num
    llr = np.where(target, 1.0, -1.0) * deviation**2 / 2 + deviation * np.random.default_rng(seed).normal(size=2 * num)
    return (llr + 8.0) / 20.0, target, deviation


def expected_cllr(fitted: Calibration | None, deviation: float) -> float:
    """Return the Cllr of the oracle's trials without end, by integration; that of the true ratios without a map."""

    def ratio(llr: float) -> float:
        score = np.array([(llr + 8.0) / 20.0])
        return llr if fitted is None else float(fitted.llr(score, nothing(score))[0])

    mean, reach = deviation**2 / 2, 9.0 * deviation
    costs = [
        quad(
            lambda x, sign=sign: norm.pdf(x, sign * mean, deviation) * np.logaddexp(0.0, -sign * ratio(x)),
            sign * mean - reach,
            sign * mean + reach,
            limit=300,
        )[0]
        for sign in (1.0, -1.0)
    ]
    return float(sum(costs) / 2 / np.log(2.0))


@pytest.mark.slow
@pytest.mark.parametrize(("eer", "most"), [(0.1, 1.05), (0.02, 1.05), (0.005, 1.05), (0.002, 1.12)])
def test_good_systems_are_not_shrunk(eer: float, most: float) -> None:
    slopes = []
    for seed in range(12):
        scores, target, deviation = oracle(eer, 20_000, seed)
        calibration = Calibration(p_target=0.05, l2=1e-4, measures=[])
        calibration.fit(scores, nothing(scores), target)
        slopes.append(calibration.state()["weights"][0] / 20.0)
        if seed < 2:
            assert expected_cllr(calibration, deviation) / expected_cllr(None, deviation) < most
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.05)


def test_the_penalty_goes_as_speakers_come() -> None:
    """A list that is repeated by other speakers is the same list but for the penalty, which is halved."""
    scores, target, _ = oracle(0.01, 2_000, 0)
    speakers = np.column_stack([np.arange(4_000) % 40, np.where(target, np.arange(4_000), np.arange(4_000) + 1) % 40])
    weights = {}
    for times in (1, 2):
        calibration = Calibration(p_target=0.05, l2=0.02, measures=[])
        again = [np.concatenate([each] * times) for each in (scores, target)]
        calibration.fit(
            again[0], nothing(again[0]), again[1], np.concatenate([speakers + 40 * n for n in range(times)])
        )
        alone = Calibration(p_target=0.05, l2=0.02 / times * len(scores) / 2 / 40, measures=[])
        alone.fit(scores, nothing(scores), target)
        weights[times] = calibration.state()["weights"][0]
        assert weights[times] == pytest.approx(alone.state()["weights"][0], rel=1e-4)
    assert weights[1] < 0.99 * weights[2]


def test_ratios_are_capped_and_their_order_is_kept_besides() -> None:
    """Six speakers and their fifteen pairs, told apart without error."""
    speakers = np.array([(a, b) for a in range(6) for b in range(6)] * 20)
    target = speakers[:, 0] == speakers[:, 1]
    scores = np.where(target, 0.8, 0.2) + 0.01 * np.random.default_rng(7).normal(size=len(target))
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=[])
    calibration.fit(scores, nothing(scores), target, speakers)
    lower, upper = np.log(1 / 7 * 16 / 15), np.log(6 / 7 * 16)
    tried = np.linspace(-5.0, 5.0, 101)
    llr, uncapped = calibration.llr(tried, nothing(tried)), calibration.uncapped_llr(tried, nothing(tried))
    np.testing.assert_allclose([llr[0], llr[-1]], [lower, upper], rtol=1e-6)
    np.testing.assert_array_equal(llr, np.clip(uncapped, llr[0], llr[-1]))
    assert (np.diff(uncapped) > 0).all()
    assert np.abs(uncapped).max() < 1e4
    counts = {"num_speakers": 6, "num_target": 120, "num_nontarget": 600}
    assert calibration.facts() == pytest.approx({"lower": lower, "upper": upper, **counts})


@pytest.mark.parametrize("p_target", [0.01, 0.5])
def test_an_affine_distortion_is_undone(p_target: float) -> None:
    llr, target = gaussian(0, 400_000)
    distorted = 0.05 * llr + 0.4
    calibration = Calibration(p_target=p_target, l2=1e-9, measures=[])
    calibration.fit(distorted, nothing(distorted), target)
    np.testing.assert_allclose(calibration.uncapped_llr(distorted, nothing(distorted)), llr, atol=0.6)
    assert calibration.state()["weights"][0] == pytest.approx(20.0, rel=0.03)


def test_equals_scikit_learn_with_the_same_weights_and_penalty() -> None:
    rng = np.random.default_rng(1)
    llr, target = gaussian(2, 2000)
    features = rng.normal(size=(2000, 2)) * [3.0, 0.1] + 5.0
    p_target, l2 = 0.05, 1e-3
    calibration = Calibration(p_target=p_target, l2=l2 * target.sum(), measures=["duration"])
    calibration.fit(llr, features, target)
    inputs = np.column_stack([llr, features])
    standardised = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    weight = np.where(target, p_target / target.sum(), (1 - p_target) / (~target).sum())
    reference = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=10_000).fit(standardised, target, sample_weight=weight)
    expected = reference.decision_function(standardised) - logit(p_target)
    np.testing.assert_allclose(calibration.uncapped_llr(llr, features), expected, atol=1e-3)


def test_the_share_of_targets_does_not_matter() -> None:
    llr, target = gaussian(3, 100_000)
    kept = ~target | (np.arange(len(target)) % 50 == 0)
    weights = []
    for rows in (slice(None), kept):
        calibration = Calibration(p_target=0.1, l2=1e-9, measures=[])
        calibration.fit(llr[rows], nothing(llr[rows]), target[rows])
        weights.append([*calibration.state()["weights"], calibration.state()["offset"]])
    np.testing.assert_allclose(weights[1], weights[0], atol=0.15)


def test_trials_told_apart_without_error_stay_finite() -> None:
    scores, target = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=[])
    calibration.fit(scores, nothing(scores), target)
    llr = calibration.uncapped_llr(scores, nothing(scores))
    assert np.isfinite(llr).all()
    assert llr[2] > 1 > -1 > llr[1]
    np.testing.assert_allclose(calibration.llr(scores, nothing(scores))[[0, -1]], [-np.log(2), np.log(2)], rtol=1e-6)


def test_scores_that_fall_are_refused() -> None:
    llr, target = gaussian(4, 1000)
    with pytest.raises(ValueError, match="Scores rise from non-target to target"):
        Calibration(p_target=0.5, l2=1e-4, measures=[]).fit(-llr, nothing(llr), target)
    with pytest.raises(ValueError, match="num_target=0"):
        Calibration(p_target=0.5, l2=1e-4, measures=[]).fit(llr, nothing(llr), np.zeros(1000, bool))
    for kwargs in ({"p_target": 1.0, "l2": 1.0}, {"p_target": 0.5, "l2": 0.0}):
        with pytest.raises(ValueError, match="Calibration has a prior and a penalty"):
            Calibration(**kwargs, measures=[])


def test_short_recordings_shift_scores_and_quality_takes_it_back() -> None:
    """Scores are higher the less speech there is; the shorter side's duration says by how much."""
    rng = np.random.default_rng(5)
    seconds = rng.uniform(1.0, 30.0, size=(2, 20_000))
    target = np.arange(20_000) % 2 == 0
    measures = [log_duration(side)[:, None] for side in seconds]
    features = quality_features(*measures)
    scores = np.where(target, 2.0, -2.0) - 1.5 * features[:, 0] + rng.normal(size=20_000)
    losses = []
    for extra in (nothing(scores), features):
        calibration = Calibration(p_target=0.5, l2=1e-6, measures=[])
        calibration.fit(scores, extra, target)
        llr = calibration.llr(scores, extra)
        losses.append(np.mean(-np.log2(expit(np.where(target, llr, -llr)))))
    assert losses[1] < 0.7 * losses[0]


def test_measures_at_nothing_stay_finite() -> None:
    np.testing.assert_allclose(
        log_duration(np.array([0.0, 1.0, 20.0, 60.0])), np.log([0.1, 1.0, 20.0, 20.0]), rtol=1e-6
    )
    assert np.isfinite(log_magnitude(np.zeros((1, 3)))).all()
    assert log_magnitude(np.array([[3.0, 4.0]]))[0] == pytest.approx(np.log(5.0))
    features = quality_features(*(log_duration(np.array([s]))[:, None] for s in (0.0, 20.0)))
    np.testing.assert_allclose(features, [[np.log(0.1), np.log(200.0)]], rtol=1e-6)


def test_state_goes_through_a_file_without_pickle(tmp_path) -> None:
    llr, target = gaussian(6, 500)
    one, other = (Calibration(p_target=0.5, l2=1e-4, measures=[]) for _ in range(2))
    one.fit(llr, nothing(llr), target)
    np.savez(tmp_path / "c.npz", **one.state())
    with np.load(tmp_path / "c.npz", allow_pickle=False) as state:
        other.restore(dict(state))
    np.testing.assert_array_equal(other.llr(llr, nothing(llr)), one.llr(llr, nothing(llr)))


def test_one_speaker_bears_out_nothing() -> None:
    speakers = np.array([[0, 0]] * 5 + [[0, 1]] * 5)
    target = np.arange(10) < 5
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=[])
    calibration.fit(target * 2.0, np.zeros((10, 0)), target, speakers)
    facts = CalibrationFacts(**calibration.facts())
    assert capped_at(facts).startswith("capped at 0.00 and 0.00 (1.0 to 1 against, 1.0 to 1 for")


def test_unknown_speakers_are_not_counted() -> None:
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=[])
    target = np.arange(10) < 5
    calibration.fit(target * 2.0, np.zeros((10, 0)), target)
    assert calibration.facts()["num_speakers"] is None
    assert fitted_on(CalibrationFacts(**calibration.facts())) == "unknown speakers, 5 target and 5 non-target trials"


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": np.ones(2)},
        {"bounds": np.ones(3)},
        {"bounds": np.array([1.0, 2.0])},
        {"offset": np.ones(3)},
        {"covariance": np.eye(3)},
        {"covariance": -np.eye(4)},
        {"range": np.zeros((2, 3))},
        {"range": np.array([[0.0, 1.0], [1.0, 0.0]])},
        {"quantiles": np.zeros((2, 100))},
        {"quantiles": -np.tile(np.arange(101.0), (2, 1))},
        {"usual": np.zeros(2)},
    ],
)
def test_a_state_of_another_shape_is_refused(wrong: dict[str, np.ndarray]) -> None:
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=["duration"])
    state = {"weights": np.ones(3), "offset": np.array(0.0), "covariance": np.eye(4)}
    state |= {"bounds": np.array([-1.0, 1.0]), "fitted_on": np.ones(3)}
    before = dict(state)
    state |= {"range": np.array([[0.0, 0.0], [1.0, 1.0]]), "quantiles": np.zeros((2, 101))}
    state |= {"usual": np.zeros(3)}
    calibration.restore(state)
    for other in (state | wrong, before):
        with pytest.raises(AssertionError, match="state of something else"):
            calibration.restore(other)


def with_speakers(seed: int, num_speakers: int, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of speakers some of whom are closer to others, and to themselves, than the rest: all pairs, six each."""
    rng = np.random.default_rng(seed)
    speakers = np.array([(a, b) for a in range(num_speakers) for b in range(a, num_speakers)] * 6)
    target = speakers[:, 0] == speakers[:, 1]
    alike, own = rng.normal(size=num_speakers), rng.normal(size=num_speakers)
    together = np.where(target, own[speakers[:, 0]], alike[speakers].sum(axis=1) / 2)
    return np.where(target, apart, -apart) + together + rng.normal(size=len(target)), target, speakers


def fitted_at(scores: np.ndarray, target: np.ndarray, speakers: np.ndarray) -> Calibration:
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=[])
    calibration.fit(scores, nothing(scores), target, speakers)
    return calibration


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.7, 2.0])
def test_intervals_hold_what_a_calibration_on_all_speakers_says(apart: float) -> None:
    """By a hundred and fifty calibrations on thirty speakers each, beside one on three hundred."""
    at = np.array([-0.5, 0.0, 0.8])
    everybody = fitted_at(*with_speakers(10_000, 300, apart)).uncapped_llr(at, nothing(at))
    held, widths, llr = np.zeros(len(at)), [], []
    for seed in range(150):
        calibration = fitted_at(*with_speakers(seed, 30, apart))
        lower, upper = calibration.interval(at, nothing(at))
        held += (lower <= everybody) & (everybody <= upper)
        widths.append(upper - lower)
        llr.append(calibration.uncapped_llr(at, nothing(at)))
    assert (held / 150 > 0.86).all()
    assert np.median(widths, axis=0) == pytest.approx(2 * 2.045 * np.std(llr, axis=0), rel=0.4)


def test_intervals_do_not_depend_on_the_scale_of_scores() -> None:
    scores, target, speakers = with_speakers(0, 12)
    at = np.array([0.3])
    plain = fitted_at(scores, target, speakers).interval(at, nothing(at))
    scaled = fitted_at(7 * scores - 3, target, speakers).interval(7 * at - 3, nothing(at))
    assert scaled == pytest.approx(plain, rel=1e-3)


def test_fewer_speakers_are_less_sure() -> None:
    at = np.array([0.5])
    few, many = (fitted_at(*with_speakers(1, num, 1.0)).interval(at, nothing(at)) for num in (8, 80))
    assert few[1] - few[0] > 2 * (many[1] - many[0])


MEASURES = ["duration", "magnitude", "cohort_mean"]


def with_quality(seed: int, num: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that depend on six features, of which that of the duration runs from 1 to 6 s."""
    rng = np.random.default_rng(seed)
    sides = np.stack([log_duration(rng.uniform(1, 6, (2, num))), *rng.normal(size=(2, 2, num))], axis=2)
    features = quality_features(*sides.astype(np.float32))
    target = np.arange(num) % 2 == 0
    scores = np.where(target, 1.5, -1.5) + features @ rng.normal(size=6) + rng.normal(size=num)
    return scores.astype(np.float32), features, target


def on_quality() -> tuple[Calibration, np.ndarray, np.ndarray]:
    scores, features, target = with_quality(0)
    calibration = Calibration(p_target=0.1, l2=1e-4, measures=MEASURES)
    calibration.fit(scores, features, target)
    return calibration, scores, features


def test_a_ratio_is_the_sum_of_named_terms() -> None:
    calibration, scores, features = on_quality()
    terms = calibration.terms(scores, features)
    assert list(terms) == [
        "score",
        "duration_lower",
        "duration_distance",
        "magnitude_lower",
        "magnitude_distance",
        "cohort_mean_lower",
        "cohort_mean_distance",
        "offset",
    ]
    whole = np.sum([*terms.values()], axis=0)
    np.testing.assert_allclose(whole, calibration.uncapped_llr(scores, features), atol=1e-5)
    weights, offset = (calibration.state()[key] for key in ("weights", "offset"))
    np.testing.assert_allclose(whole, np.column_stack([scores, features]) @ weights + offset, atol=1e-10)
    np.testing.assert_allclose(terms["score"], calibration.slope * scores, atol=1e-10)
    np.testing.assert_allclose(terms["magnitude_distance"], weights[5] * features[:, 4], atol=1e-10)


def test_it_knows_what_it_was_fitted_on() -> None:
    calibration, scores, features = on_quality()
    names, lowest, highest = calibration.range
    assert names[1] == "magnitude_lower"
    np.testing.assert_array_equal([lowest, highest], [features.min(axis=0), features.max(axis=0)])
    assert not calibration.outside(features).any()
    llr, target = calibration.uncapped_llr(scores, features), np.arange(600) % 2 == 0
    quantiles = calibration.quantiles
    assert quantiles.shape == (2, 101)
    for at, kind in zip(quantiles, (target, ~target), strict=True):
        middle = np.sort(llr[kind])[149]  # of 300
        assert (at[0], at[50], at[100]) == pytest.approx((llr[kind].min(), middle, llr[kind].max()))
        assert np.mean(llr[kind] <= at[20]) == pytest.approx(0.2, abs=0.005)


@pytest.mark.parametrize("num", [5, 30, 101])
def test_percentiles_bound_how_many_trials_lie_below(num: int) -> None:
    """At most as many of a hundred trials lie below a ratio as there are percentiles below it, be they few."""
    rng = np.random.default_rng(num)
    target = np.arange(2 * num) % 2 == 0
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=[])
    scores = np.where(target, 2.0, 0.0) + rng.normal(size=2 * num)
    calibration.fit(scores, np.zeros((2 * num, 0)), target)
    llr = calibration.uncapped_llr(scores, np.zeros((2 * num, 0)))
    for kind, percentiles in zip((target, ~target), calibration.quantiles, strict=True):
        for at in np.linspace(llr.min() - 0.1, llr.max() + 0.1, 50):
            assert np.mean(llr[kind] < at) <= np.count_nonzero(percentiles < at) / 100
            assert np.mean(llr[kind] >= at) <= np.count_nonzero(percentiles >= at) / 100


def test_different_people_come_as_a_rule_to_the_mean_of_their_ratios() -> None:
    calibration, scores, features = on_quality()
    nontarget = np.arange(600) % 2 == 1
    usual, terms = calibration.usual_terms, calibration.terms(scores, features)
    assert list(usual) == list(terms)
    assert usual["score"] == pytest.approx(calibration.slope * scores[nontarget].mean())
    assert sum(usual.values()) == pytest.approx(calibration.uncapped_llr(scores, features)[nontarget].mean(), abs=1e-5)


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("side", [-1, 1])
def test_of_what_was_not_seen_nothing_is_known_but_that_more_speech_is_no_worse(column: int, side: int) -> None:
    calibration, scores, features = on_quality()
    lower, upper = calibration.interval(scores[:1], features[:1])
    assert lower[0] < upper[0]
    far = features[:1].copy()
    far[0, column] += 50.0 * side
    is_more_speech = column in (0, 3) and side > 0
    assert calibration.outside(far)[0].tolist() == [at == column for at in range(6)]
    lower, upper = calibration.interval(scores[:1], far)
    assert (np.isinf(lower[0]), np.isinf(upper[0])) == (not is_more_speech, not is_more_speech)
    if is_more_speech:
        held = far.copy()
        held[0, column] = features[:, column].max()
        for each in (far, held):
            llr = calibration.uncapped_llr(scores[:1], each)[0]
            assert lower[0] < llr < upper[0]
        assert (lower[0], upper[0]) != pytest.approx(np.ravel(calibration.interval(scores[:1], held)))


def test_intervals_go_on_evenly_where_the_range_ends() -> None:
    """No jump is where speech exceeds what was seen; to the other side there is one, beyond what rounding can do."""
    calibration, scores, features = on_quality()
    ends = calibration.range.highest[0] + np.array([-1e-6, 1e-6])
    intervals = []
    for end in ends:
        at = features[:1].copy()
        at[0, 0] = end
        intervals.append(np.ravel(calibration.interval(scores[:1], at)))
    assert intervals[0] == pytest.approx(intervals[1], abs=1e-4)
    least = features[:1].copy()
    least[0, 0] = calibration.range.lowest[0] + np.log(0.95)
    assert np.isfinite(calibration.interval(scores[:1], least)).all()


def test_where_all_speak_as_long_there_is_room_for_rounding() -> None:
    llr, target = gaussian(7, 400)
    features = quality_features(*np.full((2, 400, 1), np.log(3.0), np.float32))
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=["duration"])
    calibration.fit(llr, features, target)
    seconds = np.array([3.0 - 1e-6, 2.8, 3.2, 2.0, 6.0])
    unknown = calibration.range.unknown(quality_features(log_duration(seconds)[:, None], features[:5, :1])).any(axis=1)
    assert unknown.tolist() == [False, False, False, True, False]


def test_without_measures_nothing_is_outside() -> None:
    llr, target = gaussian(8, 400)
    calibration = Calibration(p_target=0.5, l2=1e-4, measures=[])
    calibration.fit(llr, nothing(llr), target)
    assert calibration.outside(nothing(llr)).shape == (400, 0)
    assert np.isfinite(calibration.interval(llr, nothing(llr))).all()
    assert list(calibration.terms(llr, nothing(llr))) == ["score", "offset"]
    calibration.restore(calibration.state())
