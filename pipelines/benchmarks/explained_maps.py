"""What is done to maps of the evidence in time: voices and nuisances planted, weights shuffled, small changes."""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from avis.explain.faithfulness.maps import agreement, map_of, side
from avis.explain.faithfulness.planted import NUISANCES, Nuisance, Planted, located, plant, replaced
from avis.explain.faithfulness.randomised import cascade
from avis.explain.faithfulness.stability import CHANGES, stability
from avis.explain.side import Side
from avis.verifier import Verifier
from pipelines.benchmarks.explained_trials import Trial

SMOOTHED_S = 0.5
"""Over which maps are also read."""

Hear = Callable[[str], Side]

Rows = Sequence[tuple[Trial, Sequence[float]]]
"""Trials, and values of each."""

Told = tuple[Rows, Sequence[str]]
"""And what the values are called."""


def of_maps(verifier: Verifier, trials: Sequence[Trial], hear: Hear) -> Iterator[Told]:
    """Yield what else is measured of trials, and what to call it."""
    planted = _planted(verifier, trials, hear)
    for over, over_s in {"": 0.0, f", means over {SMOOTHED_S} s": SMOOTHED_S}.items():
        found = [(trial, located(each.smoothed(over_s))) for trial, each in planted]
        yield found, (f"planted voice{over}: AUC", "... by the other's enrolment", "... Spearman of both")
    for kind in NUISANCES:
        rows = _nuisance(verifier, trials, hear, kind)
        yield rows, (f"share of a second of {kind}", "... of the speech before")
    yield _pairs(verifier, trials, hear), ["Spearman, another person's enrolment"]
    yield _stability(verifier, trials), [f"Spearman after {change}" for change in CHANGES]


def _planted(verifier: Verifier, trials: Sequence[Trial], hear: Hear) -> list[tuple[Trial, Planted]]:
    """Plant somebody else in the test of each target trial; the trial is that of both voices."""
    targets, rows = [trial for trial in trials if trial.target], []
    for number, one in enumerate(targets):
        following = (targets[(number + step) % len(targets)] for step in range(1, len(targets)))
        other = next(each for each in following if each.test_speaker != one.test_speaker)
        found = plant(verifier, (hear(one.enroll), hear(other.enroll)), (one.test, other.test))
        if found is not None:
            rows.append((one._replace(test_speaker=other.test_speaker), found))
    return rows


def _nuisance(verifier: Verifier, trials: Sequence[Trial], hear: Hear, kind: Nuisance) -> Rows:
    found = ((trial, replaced(verifier, hear(trial.enroll), hear(trial.test), kind)) for trial in trials)
    return [(trial, (each.nuisance, each.speech)) for trial, each in found if each is not None]


def _pairs(verifier: Verifier, trials: Sequence[Trial], hear: Hear) -> Rows:
    rows = []
    for one, other in zip(trials, [*trials[1:], trials[0]], strict=True):
        maps = [map_of(verifier, hear(each.enroll), hear(one.test)) for each in (one, other)]
        if one.enroll_speaker != other.enroll_speaker and maps[0] is not None and maps[1] is not None:
            rows.append((one, [agreement(maps[0], maps[1])]))
    return rows


def _stability(verifier: Verifier, trials: Sequence[Trial]) -> Rows:
    found = ((trial, stability(verifier, trial.enroll, trial.test)) for trial in trials)
    return [(trial, [each.get(change, np.nan) for change in CHANGES]) for trial, each in found]


def of_shuffled(verifier: Verifier, trials: Sequence[Trial], hear: Hear) -> Iterator[Told]:
    """Yield the agreement of maps with those of shuffled models, and what to call it."""
    before = [map_of(verifier, hear(trial.enroll), hear(trial.test)) for trial in trials]
    for name, shuffled in cascade(verifier):
        hear_anew = functools.cache(functools.partial(side, shuffled))
        rows = []
        for trial, known in zip(trials, before, strict=True):
            after = map_of(shuffled, hear_anew(trial.enroll), hear_anew(trial.test))
            if known is not None and after is not None:
                rho = agreement(known, after)
                rows.append((trial, (rho, abs(rho))))
        yield rows, (f"Spearman, weights shuffled down to {name}", "... without sign")
