"""Trials of real voices whose explanations are measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.corpora.files import in_order
from avis.engine.recipe import Recipe
from avis.scoring.trial_ids import resolve
from avis.scoring.trials import read_trials
from avis.verifier import Verifier
from avis.verifier.embedder import take


class Trial(NamedTuple):
    """Paths and speakers of both sides."""

    enroll: str
    test: str
    enroll_speaker: str
    test_speaker: str
    target: bool


class Listed(NamedTuple):
    """A trial list, and for each recording all of its session, itself first."""

    trials: list[Trial]
    sessions: Mapping[str, list[str]]


def listed(recipe: Recipe) -> Listed:
    """Return the recipe's first list that is a file, its ids found in the recipe's corpora.

    Raises
    ------
    ValueError
        If there is none, or an id is not found.
    """
    files = [source for source in (recipe.trials or {}).values() if isinstance(source, str)]
    if not files:
        raise ValueError("no trial list: got none that is a file, expected one. At trials. Give trials=<path>.")
    recordings = in_order(component.build().sources() for component in recipe.corpora.values())
    corpora = recordings["corpus"].unique().to_pylist()
    trials, rows = resolve(read_trials(files[0]), recordings["utt_id"], corpora=corpora)
    path, speaker, session = (recordings[name].to_pylist() for name in ("path", "speaker", "session"))
    together: dict[str, list[str]] = {}
    for each, of in zip(path, session, strict=True):
        together.setdefault(of, []).append(each)
    return Listed(
        [
            Trial(path[one], path[other], speaker[one], speaker[other], target)
            for one, other, target in zip(*rows.tolist(), trials["target"].to_pylist(), strict=True)
        ],
        {
            each: [each, *(other for other in together[of] if other != each)]
            for each, of in zip(path, session, strict=True)
        },
    )


def spread(trials: Sequence[Trial], num: int, *, seed: int) -> list[Trial]:
    """Draw trials, half of them targets, of all speakers and pairs of speakers alike."""
    seen: Counter[tuple[str, str]] = Counter()
    turns: dict[bool, list[tuple[int, Trial]]] = {True: [], False: []}
    for number in np.random.default_rng(seed).permutation(len(trials)):
        trial = trials[number]
        turns[trial.target].append((seen[trial.enroll_speaker, trial.test_speaker], trial))
        seen[trial.enroll_speaker, trial.test_speaker] += 1
    drawn = [sorted(each, key=lambda turn: turn[0])[: num // 2] for each in turns.values()]
    return [trial for each in drawn for _, trial in each]


def joined(verifier: Verifier, paths: Sequence[str], *, least_s: float) -> tuple[NDArray[np.float32], int] | None:
    """Join recordings of a session until they are so long, as samples and their rate; None where they are not."""
    rate, parts = verifier.hearing.sample_rate, []
    for path in paths:
        parts.append(to_float(take(verifier.hearing, path).values))
        if sum(map(len, parts)) >= least_s * rate:
            return np.concatenate(parts), rate
    return None
