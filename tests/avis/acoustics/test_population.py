from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from avis.acoustics.measure import ATTRIBUTES
from avis.acoustics.population import Population, two_covariance_llr

NAMES = list(ATTRIBUTES)
PLAIN, LOGARITHMIC = NAMES.index("hnr_db"), NAMES.index("f0_median_hz")


def columns(**named: np.ndarray) -> np.ndarray:
    """A column for each attribute, NaN for those without a name."""
    values = np.full((len(next(iter(named.values()))), len(NAMES)), np.nan)
    for name, column in named.items():
        values[:, NAMES.index(name)] = column
    return values


def recordings(
    seed: int, counts: np.ndarray, *, mean: float, between: float, within: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values of speakers of known variances, and the speaker of each."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(len(counts)), counts)
    voices = rng.normal(mean, np.sqrt(between), len(counts))
    return voices[speakers] + rng.normal(0.0, np.sqrt(within), len(speakers)), speakers


UNEVEN = np.random.default_rng(0).integers(1, 9, size=60)


def statistics(population: Population, column: int) -> list[float]:
    return [float(getattr(population, name)[column]) for name in ("mean", "between", "within")]


@pytest.mark.parametrize("counts", [UNEVEN, np.array([40, 20, 2, 2, 2, 2, 1, 1])], ids=["many", "few"])
@pytest.mark.parametrize(("between", "within"), [(4.0, 1.0), (1.0, 1.0)])
def test_known_variances_are_estimated_without_bias_from_uneven_numbers_of_recordings(
    between: float, within: float, counts: np.ndarray
) -> None:
    found = []
    for seed in range(400):
        values, speakers = recordings(seed, counts, mean=8.0, between=between, within=within)
        found.append(statistics(Population.of(columns(hnr_db=values), speakers), PLAIN))
    errors = np.std(found, axis=0) / np.sqrt(400)
    assert (np.abs(np.mean(found, axis=0) - [8.0, between, within]) < 3.0 * errors).all()


def test_who_is_heard_most_does_not_outweigh_other_speakers() -> None:
    values, speakers = recordings(0, np.array([300, *[3] * 29]), mean=0.0, between=9.0, within=0.1)
    values[speakers == 0] += 10.0 - values[speakers == 0].mean()
    of_speakers = [values[speakers == speaker].mean() for speaker in range(30)]
    assert statistics(Population.of(columns(hnr_db=values), speakers), PLAIN)[0] == pytest.approx(
        np.mean(of_speakers), abs=0.05
    )


def test_by_hand() -> None:
    values = np.array([1.0, 3.0, 5.0, 7.0, 2.0, 2.0, 4.0, 8.0, 9.0, 9.0])
    population = Population.of(columns(hnr_db=values), np.repeat(list("abcde"), 2))
    # means 2, 6, 2, 6, 9; squares within 2 + 2 + 0 + 8 + 0 of 5 degrees, between 2 * 36 of 4, two recordings each
    np.testing.assert_allclose(statistics(population, PLAIN), [5.0, (72.0 / 4 - 12.0 / 5) / 2, 12.0 / 5])
    assert population.speaker_means[PLAIN].tolist() == [2.0, 2.0, 6.0, 6.0, 9.0]
    assert population.rho("hnr_db") == pytest.approx(7.8 / 10.2)
    assert population.z_score("hnr_db", 8.0) == pytest.approx(3.0 / np.sqrt(10.2))


def test_one_recording_of_a_speaker_counts_for_the_speakers() -> None:
    values, speakers = recordings(1, np.array([1] * 200 + [2] * 10), mean=0.0, between=9.0, within=0.01)
    found = Population.of(columns(hnr_db=values), speakers)
    assert found.between[PLAIN] == pytest.approx(np.var(values, ddof=1), rel=0.1)
    assert found.num_speakers("hnr_db") == 210


def test_frequencies_are_told_in_semitones() -> None:
    values, speakers = recordings(2, np.full(40, 3), mean=84.0, between=16.0, within=1.0)
    plain = Population.of(columns(hnr_db=values), speakers)
    logarithmic = Population.of(columns(f0_median_hz=2.0 ** (values / 12.0)), speakers)
    np.testing.assert_allclose(statistics(logarithmic, LOGARITHMIC), statistics(plain, PLAIN))
    hertz = 2.0 ** (np.array([82.0, 90.0]) / 12.0)
    assert logarithmic.llr("f0_median_hz", *hertz) == pytest.approx(plain.llr("hnr_db", 82.0, 90.0))
    assert logarithmic.percentile("f0_median_hz", hertz[0]) == plain.percentile("hnr_db", 82.0)


@pytest.mark.parametrize(
    ("u", "v", "expected"), [(0, 0, 0.510826), (2, 2, 2.288603), (2, -2, -15.489174), (0.5, 1.5, -0.044730)]
)
def test_the_ratio_of_the_specification(u: float, v: float, expected: float) -> None:
    assert two_covariance_llr(u, v, rho=0.8) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8, 0.99])
def test_the_ratio_is_that_of_the_densities(rho: float) -> None:
    pairs = np.random.default_rng(0).normal(size=(50, 2))
    together = multivariate_normal([0.0, 0.0], [[1.0, rho], [rho, 1.0]]).logpdf(pairs)
    np.testing.assert_allclose(
        two_covariance_llr(*pairs.T, rho=rho), together - norm.logpdf(pairs).sum(axis=1), atol=1e-9
    )


def test_ratios_of_the_models_own_trials_are_calibrated() -> None:
    """The mean of a ratio over different speakers, and of its inverse over one, is 1."""
    values, speakers = recordings(3, np.full(20_000, 2), mean=5.0, between=1.0, within=2.0)
    population = Population.of(columns(hnr_db=values), speakers)
    deviation = np.sqrt(population.between[PLAIN] + population.within[PLAIN])
    z = ((values - population.mean[PLAIN]) / deviation).reshape(-1, 2)
    rho = population.rho("hnr_db")
    assert np.exp(-two_covariance_llr(*z.T, rho=rho)).mean() == pytest.approx(1.0, abs=0.03)
    assert np.exp(two_covariance_llr(z[:, 0], np.roll(z[:, 1], 1), rho=rho)).mean() == pytest.approx(1.0, abs=0.03)


def test_speakers_who_do_not_differ_give_no_evidence() -> None:
    values = np.tile([1.0, 2.0, 3.0, 4.0], 6)
    population = Population.of(columns(hnr_db=values), np.repeat(np.arange(6), 4))
    assert statistics(population, PLAIN) == [2.5, 0.0, pytest.approx(5.0 / 3.0)]
    assert population.llr("hnr_db", 1.0, 4.0) == 0.0
    assert population.llr("hnr_db", 4.0, 4.0) == 0.0


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.0), (1.0, 10.0), (1.5, 20.0), (5.0, 90.0), (6.0, 100.0)])
def test_percentiles_by_hand(value: float, expected: float) -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 2) + np.tile([-0.1, 0.1], 5)
    population = Population.of(columns(hnr_db=values), np.repeat(np.arange(5), 2))
    assert population.percentile("hnr_db", value) == pytest.approx(expected)


def test_order_and_names_of_speakers_do_not_matter() -> None:
    values, speakers = recordings(4, UNEVEN, mean=0.0, between=1.0, within=1.0)
    order = np.random.default_rng(0).permutation(len(values))
    one = Population.of(columns(hnr_db=values), speakers)
    other = Population.of(columns(hnr_db=values[order]), np.array([f"id{speaker}" for speaker in speakers[order]]))
    for name, array in one.state().items():
        if name != "names":
            np.testing.assert_allclose(array, other.state()[name])


def test_a_shift_moves_the_mean_alone() -> None:
    values, speakers = recordings(5, UNEVEN, mean=0.0, between=1.0, within=1.0)
    one, other = (Population.of(columns(hnr_db=values + shift), speakers) for shift in (0.0, 1e4))
    np.testing.assert_allclose(statistics(other, PLAIN), np.add(statistics(one, PLAIN), [1e4, 0.0, 0.0]), rtol=1e-6)
    assert one.llr("hnr_db", 1.0, 2.0) == pytest.approx(other.llr("hnr_db", 1e4 + 1.0, 1e4 + 2.0))


def test_what_is_not_there_has_no_answer() -> None:
    values, speakers = recordings(6, np.full(8, 3), mean=0.0, between=1.0, within=1.0)
    population = Population.of(columns(hnr_db=values, tilt_db_per_octave=np.ones(24)), speakers)
    assert population.llr("hnr_db", None, 1.0) is None
    assert population.llr("hnr_db", 1.0, None) is None
    assert population.percentile("hnr_db", None) is None
    for unknown in ("f1_hz", "tilt_db_per_octave"):  # nobody has the one, and the other is the same of all
        assert population.llr(unknown, 1.0, 1.0) is None
        assert population.percentile(unknown, 1.0) is None
        assert population.rho(unknown) is None


def test_recordings_without_a_value_do_not_count() -> None:
    values, speakers = recordings(7, np.full(10, 4), mean=0.0, between=1.0, within=1.0)
    missing = np.random.default_rng(0).random(len(values)) < 0.3
    one = Population.of(columns(hnr_db=np.where(missing, np.nan, values)), speakers)
    other = Population.of(columns(hnr_db=values[~missing]), speakers[~missing])
    assert statistics(one, PLAIN) == pytest.approx(statistics(other, PLAIN))


def test_state_goes_through_a_file_without_pickle(tmp_path: Path) -> None:
    values, speakers = recordings(8, UNEVEN, mean=0.0, between=1.0, within=1.0)
    population = Population.of(columns(hnr_db=values), speakers)
    np.savez(tmp_path / "population.npz", **population.state())
    with np.load(tmp_path / "population.npz", allow_pickle=False) as state:
        other = Population.restored(dict(state))
    for answer in ("llr", "percentile"):
        arguments = ("hnr_db", 0.5, 0.7)[: 3 if answer == "llr" else 2]
        assert getattr(other, answer)(*arguments) == getattr(population, answer)(*arguments)


@pytest.mark.parametrize(("num_speakers", "num_utterances"), [(4, 9), (9, 1), (0, 0)])
def test_too_few_speakers_are_refused(num_speakers: int, num_utterances: int) -> None:
    values, speakers = recordings(9, np.full(num_speakers, num_utterances), mean=0.0, between=1.0, within=1.0)
    enough = num_speakers if num_utterances > 1 else 0
    with pytest.raises(ValueError, match=f"got num_speakers={enough} with 2 or more .* at least 5 speakers of 2"):
        Population.of(columns(hnr_db=values), speakers)


def test_lengths_are_checked() -> None:
    values, speakers = recordings(10, np.full(6, 2), mean=0.0, between=1.0, within=1.0)
    with pytest.raises(ValueError, match="got speakers=11 and recordings=12"):
        Population.of(columns(hnr_db=values), speakers[1:])
