"""Calibration: turn scores, and what is known of the recordings' quality, into log-likelihood ratios."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from avis.scoring.backend import Backend
from avis.scoring.bounds import count_sources, empirical_bounds
from avis.scoring.feature_range import FeatureRange, feature_names
from avis.scoring.logistic_loss import LogisticLoss

MIN_SPEECH_S, MAX_SPEECH_S = 0.1, 20.0
"""More speech than the higher makes no difference (wespeaker has 20 s, too); the lower keeps the logarithm finite."""

PERCENTS = np.arange(101)

UNKNOWN = -1
"""Number of speakers, where the calibration trials don't say who speaks."""

Measure = Literal["duration", "magnitude", "cohort_mean"]


class ScoresDoNotRise(ValueError):  # noqa: N818, it is a rule that is broken
    """The scores of the calibration trials tell speakers apart no better than chance, or the wrong way round."""


class Calibration:
    """Fit an affine map from scores and quality measures to natural-log likelihood ratios.

    The map minimises the logistic loss at a prior: target trials weigh ``p_target`` together, the others
    ``1 - p_target``, and ``logit(p_target)`` is added to the ratios. Each quality measure enters as the lower of the
    two sides' values and the distance between them (duration and magnitude as logarithms, so that the distance is that
    of the ratio). The score's weight is kept positive.

    Ratios are capped where the calibration trials bear out no stronger ones: at their empirical lower and upper bounds
    (see `avis.scoring.bounds.empirical_bounds`), which are within the logarithms of the number of calibration speakers
    and of their pairs.

    Parameters
    ----------
    p_target : float
        Prior at which ratios are to be best, between 0 and 1.
    l2 : float
        Weight, above 0, of the squared weights of the standardised inputs in the loss, summed over independent
        evidence: it is divided by the number of calibration speakers, so that the more there are the less it shrinks
        ratios. It keeps the weights finite where the calibration trials are told apart without error; how strong
        ratios may be then is the cap's to say.
    measures : list of {"duration", "magnitude", "cohort_mean"}
        Quality measures besides the score: none for linear calibration.

    References
    ----------
    Brümmer and Doddington, "Likelihood-ratio Calibration Using Prior-weighted Proper Scoring Rules", Interspeech 2013.
    Thienpondt, Desplanques and Demuynck, "The IDLab VoxCeleb Speaker Recognition Challenge 2020 System Description",
    https://arxiv.org/abs/2010.11255 (quality measure functions).
    """

    def __init__(self, *, p_target: float, l2: float, measures: list[Measure]) -> None:
        if not (0.0 < p_target < 1.0 and l2 > 0.0):
            raise ValueError(
                f"Calibration has a prior and a penalty: got p_target={p_target} and l2={l2}, expected "
                "0 < p_target < 1 and l2 > 0. At calibration.model. Correct them."
            )
        self.p_target, self.l2, self.measures = p_target, l2, list(measures)
        self._learnt: dict[str, NDArray] = {}

    def fit(
        self,
        scores: NDArray[np.floating],
        features: NDArray[np.floating],
        target: NDArray[np.bool_],
        speakers: NDArray[np.integer] | None = None,
    ) -> None:
        """Learn the map and where its ratios are capped.

        Parameters
        ----------
        scores : float [trials]
            Scores of any kind that rise from non-target to target trials.
        features : float [trials, 2 * measures]
            See `quality_features`.
        target : bool [trials]
            Whether one speaker is on both sides.
        speakers : int [trials, 2] or None
            Numbers of the speakers of both sides; None if every trial has speakers of its own.

        Raises
        ------
        ScoresDoNotRise
            If scores don't rise from non-target to target trials.
        ValueError
            If only one kind of trial is there.
        """
        num_target = int(np.count_nonzero(target))
        if num_target in (0, len(target)):
            raise ValueError(
                f"Calibration needs both kinds of trial: got num_target={num_target} and "
                f"num_nontarget={len(target) - num_target}, expected at least one of each. At calibration.trials. "
                "Give another list, or hold out more speakers with several utterances."
            )
        inputs = np.column_stack([scores, features]).astype(np.float64)
        sources = count_sources(target, speakers)
        found = LogisticLoss(self.p_target, self.l2 / min(sources)).best(inputs, target, speakers)
        if found.of_inputs[0] <= 0.0:
            raise ScoresDoNotRise(
                f"Scores rise from non-target to target trials: got a weight of {found.of_inputs[0]:.3g} over "
                f"{len(target)} calibration trials, expected more than 0. At calibration.trials. Check the answers, or "
                "train longer."
            )
        self._learnt = {"weights": found.of_inputs, "offset": np.array(found.offset), "covariance": found.covariance}
        num_speakers = UNKNOWN if speakers is None else len(np.unique(speakers))
        llr = self.uncapped_llr(scores, features)
        self._learnt |= {
            "bounds": np.array(empirical_bounds(llr, target, sources)),
            "fitted_on": np.array([num_speakers, num_target, len(target) - num_target]),
            "range": np.stack([inputs[:, 1:].min(axis=0), inputs[:, 1:].max(axis=0)]),
            "usual": inputs[~target].mean(axis=0),
            "quantiles": np.stack(
                [np.percentile(llr[kind], PERCENTS, method="inverted_cdf") for kind in (target, ~target)]
            ),
        }

    def llr(self, scores: NDArray[np.floating], features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return natural-log likelihood ratios, capped, float32 ``[trials]``; arguments as in `fit`."""
        return self.cap(self.uncapped_llr(scores, features))

    def uncapped_llr(self, scores: NDArray[np.floating], features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the ratios as the map has them: an order of trials, but beyond the cap no measure of evidence."""
        llr = np.zeros(len(scores))
        for addend in self._addends(scores, features):
            llr += addend
        return llr.astype(np.float32)

    def terms(self, scores: NDArray[np.floating], features: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        """Return what `uncapped_llr` is the sum of, float64 ``[trials]`` each.

        They are ``score``; of each measure the lower of both sides and their distance, such as ``duration_lower`` and
        ``duration_distance``; and ``offset``.
        """
        names = ["score", *feature_names(self.measures), "offset"]
        made = dict(zip(names, self._addends(scores, features), strict=True))
        in_order = [f"{measure}_{kind}" for measure in self.measures for kind in ("lower", "distance")]
        return {name: made[name] for name in ["score", *in_order, "offset"]}

    def _addends(self, scores: NDArray[np.floating], features: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
        assert self._learnt, "fit or restore the calibration before it is used"
        inputs = [np.asarray(scores, np.float64), *features.T]
        for weight, values in zip(self._learnt["weights"], inputs, strict=True):
            yield weight * values
        yield np.full(len(scores), self._learnt["offset"], np.float64)

    @property
    def slope(self) -> float:
        """By how much the ratio rises with the score: the score's weight."""
        return float(self._learnt["weights"][0])

    def interval(
        self, scores: NDArray[np.floating], features: NDArray[np.floating], *, level: float = 0.95
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return between what the ratios might have come out with other calibration speakers, not capped.

        By Student's distribution of as many degrees of freedom as there are calibration speakers (where they are not
        known, trials of the rarer kind), less one. It covers how the map was fitted; that scores of the same recordings
        might be otherwise, or recordings of another kind, it does not. Where few speakers are told apart almost without
        error it is too narrow: in simulation of eight such speakers those of 95 % held in four cases of five.

        Of recordings unlike all that were calibrated on (see `avis.scoring.feature_range.FeatureRange.unknown`) nothing
        is known, so that it is infinite. With more speech than that, what the map makes of it is extrapolated: the
        interval then also holds what would be with as much as was calibrated on.

        Parameters
        ----------
        scores, features
            As in `fit`.
        level : float
            Share of the cases in which the interval is to hold the ratio of a calibration on all speakers, below 1.

        Returns
        -------
        lower, upper : float32 [trials]
        """
        lower, upper = self._interval(scores, features, level)
        held_lower, held_upper = self._interval(scores, self.range.held(features), level)
        unknown = self.range.unknown(features).any(axis=1)
        return (
            np.where(unknown, -np.inf, np.minimum(lower, held_lower)),
            np.where(unknown, np.inf, np.maximum(upper, held_upper)),
        )

    def _interval(
        self, scores: NDArray[np.floating], features: NDArray[np.floating], level: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        llr = self.uncapped_llr(scores, features)
        inputs = np.column_stack([scores, features, np.ones(len(scores))])
        variance = np.einsum("ij,jk,ik->i", inputs, self._learnt["covariance"], inputs)
        num_speakers, *num_trials = self._learnt["fitted_on"].tolist()
        degrees = (min(num_trials) if num_speakers == UNKNOWN else num_speakers) - 1
        reach = stdtrit(max(1, degrees), (1 + level) / 2) * np.sqrt(np.maximum(variance, 0.0))
        return (llr - reach).astype(np.float32), (llr + reach).astype(np.float32)

    def outside(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which of features ``[trials, features]`` are beyond `range`, by more than what is of no account."""
        return self.range.outside(features)

    @property
    def range(self) -> FeatureRange:
        """From where to where the features of the calibration trials went."""
        return FeatureRange(feature_names(self.measures), *self._learnt["range"])

    @property
    def usual_terms(self) -> dict[str, float]:
        """What `terms` are of the mean of the non-target calibration trials: different people, as a rule."""
        score, features = np.split(self._learnt["usual"][None], [1], axis=1)
        return {name: float(values[0]) for name, values in self.terms(score[:, 0], features).items()}

    @property
    def quantiles(self) -> NDArray[np.float64]:
        """Percentiles 0 to 100 of `uncapped_llr` of target and of non-target calibration trials: float64 [2, 101].

        Each is the lowest ratio of a trial that at least so many of a hundred trials do not exceed.
        """
        return self._learnt["quantiles"]

    def cap(self, llr: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring log-likelihood ratios within the bounds."""
        return np.clip(llr, *self._learnt["bounds"].astype(np.float32))

    def facts(self) -> dict[str, Any]:
        """Return where ratios are capped (``lower``, ``upper``), and what the calibration was fitted on.

        That is ``num_speakers`` (None where they are not known), and ``num_target`` and ``num_nontarget`` trials.
        """
        (lower, upper), (num_speakers, *num_trials) = (self._learnt[key].tolist() for key in ("bounds", "fitted_on"))
        names = ("lower", "upper", "num_speakers", "num_target", "num_nontarget")
        known = None if num_speakers == UNKNOWN else num_speakers
        return dict(zip(names, [lower, upper, known, *num_trials], strict=True))

    def state(self) -> dict[str, NDArray]:
        """Return what `fit` learnt, as arrays to keep.

        They are the weights of score and features, the offset, the covariance of all these, the bounds, the numbers of
        speakers and of target and non-target trials that it was fitted on, `range` and `quantiles` of these, and the
        mean of score and features of those that were non-targets.
        """
        assert self._learnt, "fit the calibration before its state is kept"
        return self._learnt

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take back what `state` returned."""
        num = 1 + 2 * len(self.measures)
        shapes = {"weights": (num,), "offset": (), "covariance": (num + 1,) * 2, "bounds": (2,), "fitted_on": (3,)}
        shapes |= {"range": (2, num - 1), "quantiles": (2, len(PERCENTS)), "usual": (num,)}
        found = {name: values.shape for name, values in state.items()}
        assert found == shapes, f"state of something else: {found}"
        lower, upper = state["bounds"]
        spread = np.linalg.eigvalsh(state["covariance"])
        assert lower <= 0.0 <= upper, f"state of something else: bounds {lower} and {upper}"
        assert spread[0] >= -1e-6 * max(spread[-1], 0.0), f"state of something else: variance of {spread[0]}"
        for name, axis in (("range", 0), ("quantiles", 1)):
            assert (np.diff(state[name], axis=axis) >= 0).all(), f"state of something else: {name} that falls"
        self._learnt = state


def log_duration(speech_s: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the logarithm of seconds of speech ``[utterances]``, as the measure ``duration``."""
    return np.log(np.clip(speech_s, MIN_SPEECH_S, MAX_SPEECH_S)).astype(np.float32)


def log_magnitude(embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the logarithm of the length of embeddings ``[utterances, dim]``, as the measure ``magnitude``."""
    lengths = np.linalg.norm(embeddings, axis=1)
    return np.log(np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)


def quality_measures(
    names: Sequence[str],
    backend: Backend,
    *,
    embeddings: NDArray[np.floating],
    vectors: NDArray[np.float32],
    speech_s: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Return measures of utterances, float32 ``[utterances, measures]``.

    Parameters
    ----------
    names : sequence of str
        See `Calibration`.
    backend : Backend
        Fitted; a score normalisation where ``cohort_mean`` is among the names.
    embeddings : float [utterances, dim]
    vectors : float32 [utterances, back-end's dim]
        What the back-end made of them.
    speech_s : float [utterances]
    """
    columns = []
    for name in names:
        if name == "cohort_mean":
            assert backend.normalized, "a measure of the cohort has one"
            columns.append(backend.normalized.cohort_mean(vectors))
        else:
            columns.append(log_duration(speech_s) if name == "duration" else log_magnitude(embeddings))
    return np.column_stack(columns).astype(np.float32) if columns else np.zeros((len(vectors), 0), np.float32)


def quality_features(enroll: NDArray[np.floating], test: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return lower value and distance of each measure of the two sides.

    Parameters
    ----------
    enroll, test : float [trials, measures]
        Measures of the utterances on either side.

    Returns
    -------
    float [trials, 2 * measures]
        All lower values, then all distances.

    Examples
    --------
    >>> quality_features(np.array([[0.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([[0., 2., 1., 3.]])
    """
    num = enroll.shape[1]
    features = np.empty((len(enroll), 2 * num), enroll.dtype, order="F")  # many trials, few columns
    for column in range(num):
        one, other = enroll[:, column], test[:, column]
        np.minimum(one, other, out=features[:, column])
        np.abs(one - other, out=features[:, num + column])
    return features
