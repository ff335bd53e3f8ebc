"""Fit what guesses an attribute of speakers, and find out how often it is right.

References
----------
Brümmer and Van Leeuwen, "On calibration of language recognition scores", Odyssey 2006 (one slope, an offset by class).
Platt, "Probabilistic outputs for support vector machines", 1999 (calibrating on held-out outputs, softened targets).
Perks, "Some observations on inverse probability", Journal of the Institute of Actuaries 73, 1947 (one observation that
is shared by all classes).
Price and Bonett, "An improved confidence interval for a linear function of binomial proportions", Computational
Statistics and Data Analysis 45, 2004.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from avis.verifier.attributes.head import AttributeName, Head, design, softened

MIN_SPEAKERS = 6
"""Of a class: of fewer, not even one that is always guessed right is shown to be right more often than a coin is
(0.025 to the power of 1/6 is 0.54, the lower end of the exact interval)."""

FOLDS = 5
NORMAL_95 = 1.959964
INVERSE_PENALTY = 0.1
"""Of squared weights, against the sum over speakers, embeddings having unit variance on average: from 0.01 to 1,
accuracies differed by 0.04 at most in simulations of 20 to 500 speakers."""

MOST_STEPS, CONVERGED = 100, 1e-9
TRIED, AT_ONCE, DRAWS, FREEDOM = 4000, 100, 1000, 4


def fit_head(
    attribute: AttributeName,
    embeddings: NDArray[np.floating],
    speakers: NDArray[np.integer],
    values: Sequence[str],
    *,
    seed: int,
) -> tuple[Head | None, str]:
    """Fit a head on speakers who weigh alike, however many recordings they have, as do classes.

    Parameters
    ----------
    attribute : str
    embeddings : float [utterances, dim]
    speakers : int [utterances]
        Number of each one's speaker, from 0.
    values : sequence of str
        What is known of each speaker, empty where nothing is.
    seed : int
        Draws who is held out together.

    Returns
    -------
    Head or None
        None where there are fewer than two classes of `MIN_SPEAKERS`, or where held-out speakers are not shown to be
        guessed right more often than by chance.
    str
        What came of it, in words.
    """
    counts = Counter(value for value in values if value)
    classes = np.array(sorted(value for value, num in counts.items() if num >= MIN_SPEAKERS))
    rare = (
        f" ({len(counts) - len(classes)} left out, of fewer than {MIN_SPEAKERS})" if len(counts) > len(classes) else ""
    )
    if len(classes) < 2:
        return None, f"{attribute} is not guessed: {len(classes)} values of enough speakers{rare}"
    numbers = {value: number for number, value in enumerate(classes.tolist())}
    of_speaker = np.array([numbers.get(value, -1) for value in values])
    known = of_speaker[speakers] >= 0
    chosen, speaker = np.unique(speakers[known], return_inverse=True)
    data = Speakers(np.asarray(embeddings[known], np.float64), speaker, of_speaker[chosen])
    logits = held_out(data, seed)
    accuracy, interval = balanced_accuracy(data, logits)
    said = (
        f"{' or '.join(classes)}{rare} is guessed right for {100 * accuracy:.0f} % [{100 * interval[0]:.0f}, "
        f"{100 * interval[1]:.0f}] of {len(data.classes)} held-out speakers, by chance for {100 / len(classes):.0f} %"
    )
    if interval[0] <= 1.0 / len(classes):
        return None, f"{attribute} is not guessed, since that is not shown to beat chance: {said}"
    weights, offsets = linear(data)
    head = Head(
        attribute=attribute,
        classes=classes,
        num_speakers=np.bincount(data.classes).astype(np.int64),
        weights=weights,
        offsets=offsets,
        calibrations=Calibrating(data, logits).draws(np.random.default_rng(seed)),
        accuracy=accuracy,
        accuracy_interval=interval,
    )
    return head, f"{attribute}: {said}"


class Speakers(NamedTuple):
    """Recordings of speakers whose class is known.

    Attributes
    ----------
    embeddings : float64 [utterances, dim]
    speaker : int [utterances]
        From 0.
    classes : int [speakers]
        From 0.
    """

    embeddings: NDArray[np.float64]
    speaker: NDArray[np.intp]
    classes: NDArray[np.intp]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Of its speaker's recordings that each is ``[utterances]``."""
        return 1.0 / np.bincount(self.speaker)[self.speaker]

    def only(self, chosen: NDArray[np.intp]) -> "Speakers":
        """Return some of the speakers."""
        kept = np.isin(self.speaker, chosen)
        numbers = np.unique(self.speaker[kept], return_inverse=True)[1]
        return Speakers(self.embeddings[kept], numbers, self.classes[np.sort(chosen)])


def linear(data: Speakers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit logits ``[classes, dim]``, ``[classes]``, of embeddings as they are."""
    num, of_utterance = np.bincount(data.classes), data.classes[data.speaker]
    weight = data.shares * (len(data.classes) / len(num) / num)[of_utterance]
    mean = np.average(data.embeddings, axis=0, weights=weight)
    scale = np.sqrt(np.average(np.mean((data.embeddings - mean) ** 2, axis=1), weights=weight)) or 1.0
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    model.fit((data.embeddings - mean) / scale, of_utterance, sample_weight=weight)
    weights, offsets = model.coef_, model.intercept_
    if len(num) == 2:
        weights, offsets = np.vstack([-weights, weights]) / 2, np.append(-offsets, offsets) / 2
    weights = weights / scale
    return weights, offsets - weights @ mean


def held_out(data: Speakers, seed: int) -> NDArray[np.float64]:
    """Return logits ``[utterances, classes]`` of each speaker by a fit on others."""
    logits = np.empty((len(data.speaker), data.classes.max() + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for others, tested in folds.split(data.classes, data.classes):
        weights, offsets = linear(data.only(others))
        rows = np.isin(data.speaker, tested)
        logits[rows] = data.embeddings[rows] @ weights.T + offsets
    return logits


def balanced_accuracy(data: Speakers, logits: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    """Return how often the largest logit is right, averaged over a speaker's recordings, a class's speakers, classes.

    The interval, at 95 %, is that of a mean of binomial proportions, as if a speaker were guessed right always or
    never; it says something where nobody is guessed wrong, too.
    """
    right = np.argmax(logits, axis=1) == data.classes[data.speaker]
    of_speaker = np.bincount(data.speaker, weights=data.shares * right)
    num = np.bincount(data.classes)
    of_class = np.bincount(data.classes, weights=of_speaker)
    added = 2.0 / len(num)
    rates = (of_class + added) / (num + 2.0 * added)
    half = NORMAL_95 * np.sqrt(np.sum(rates * (1.0 - rates) / (num + 2.0 * added))) / len(num)
    lower, upper = np.clip([np.mean(rates) - half, np.mean(rates) + half], 0.0, 1.0).tolist()
    accuracy = float(np.mean(of_class / num))
    return accuracy, (min(lower, accuracy), max(upper, accuracy))


class Calibrating:
    """Probabilities of held-out logits, by parameters as `avis.verifier.attributes.head.design` takes them.

    Classes are softened as `avis.verifier.attributes.head.softened` says. Recordings of a speaker count as one
    observation together, as if they depended on each other entirely: what is unknown is rather too much than too
    little. A class is as frequent here as among the speakers; without that, all are equally frequent.
    """

    def __init__(self, data: Speakers, logits: NDArray[np.float64]) -> None:
        num, self.inputs, self.shares = np.bincount(data.classes), design(logits), data.shares
        self.priors = np.log(num / num.sum())
        self.targets = softened(num)[data.classes[data.speaker]]

    def log_likelihoods(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how likely the speakers' classes are ``[draws]`` by parameters ``[draws, classes]``."""
        told = log_softmax(self.inputs @ parameters.T + self.priors[:, None], axis=1)
        return np.einsum("uc,ucd->d", self.shares[:, None] * self.targets, told)

    def best(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the likeliest parameters ``[classes]`` and their information ``[classes, classes]``."""
        parameters = np.zeros(self.inputs.shape[-1])
        for _ in range(MOST_STEPS):
            expected = softmax(self.inputs @ parameters + self.priors, axis=1)
            slope = np.einsum("u,uc,ucp->p", self.shares, self.targets - expected, self.inputs)
            mean = np.einsum("uc,ucp->up", expected, self.inputs)
            information = np.einsum("u,uc,ucp,ucq->pq", self.shares, expected, self.inputs, self.inputs, optimize=True)
            information -= np.einsum("u,up,uq->pq", self.shares, mean, mean, optimize=True)
            step = np.linalg.solve(information, slope)
            while np.max(np.abs(step)) > CONVERGED and self._worse(parameters + step, parameters):
                step /= 2.0
            parameters = parameters + step
            if np.max(np.abs(step)) <= CONVERGED:
                break
        return parameters, information

    def _worse(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
        of_one, of_other = self.log_likelihoods(np.stack([one, other]))
        return bool(of_one < of_other)

    def draws(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw parameters ``[DRAWS, classes]`` by how likely they are, all being equally likely before.

        From a wider t distribution about the best, they are drawn again by importance. Normal ones would reach to
        chance where speakers are told apart best (Hauck and Donner, 1977).
        """
        best, information = self.best()
        root = np.linalg.cholesky(np.linalg.inv(information))
        tried = rng.normal(size=(TRIED, len(best)))
        tried /= np.sqrt(rng.chisquare(FREEDOM, size=(TRIED, 1)) / FREEDOM)
        parameters = best + tried @ root.T
        proposed = -0.5 * (FREEDOM + len(best)) * np.log1p(np.sum(tried**2, axis=1) / FREEDOM)
        likely = np.concatenate([self.log_likelihoods(some) for some in np.array_split(parameters, TRIED // AT_ONCE)])
        return parameters[rng.choice(TRIED, size=DRAWS, p=softmax(likely - proposed))]
