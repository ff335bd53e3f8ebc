"""Measure whether a verifier's explanations are the reasons, on real voices: see `avis.explain.faithfulness`."""

import functools
from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from avis.engine.recipe import Recipe
from avis.explain.explain import explain
from avis.explain.faithfulness.maps import side
from avis.explain.faithfulness.statistics import Mean, OfOrder, Ordered, means, of_orders
from avis.explain.faithfulness.windows_scorer import mean_of_windows, windows_error
from avis.explain.record import Order, Route
from avis.metrics.bootstrap import Resampling
from avis.metrics.trials import Trials
from avis.scoring.backend import scores_of
from avis.verifier import Verifier
from avis.verifier.embedder import Source
from pipelines.benchmarks.explained_maps import Hear, Rows, of_maps, of_shuffled
from pipelines.benchmarks.explained_trials import Trial, joined, listed, spread

NUM_TRIALS, NUM_SHUFFLED = 200, 30
"""Half of them targets, spread over speakers; fewer are heard again by every shuffled model."""

LONG_S = 10.0
"""Of tests that are also explained joined with others of their session."""

KINDS = {"all": (True, False), "targets": (True,), "non-targets": (False,)}


def explaining(recipe: Recipe, *, num_trials: int = NUM_TRIALS, num_shuffled: int = NUM_SHUFFLED) -> None:
    """Print how faithful the explanations of the verifier ``start_from`` are on the recipe's first trial list."""
    if recipe.start_from is None:
        raise ValueError("no verifier: got start_from=null, expected a verifier's folder. At start_from. Give one.")
    verifier, resampling = Verifier.load(recipe.start_from), recipe.evaluation.resampling
    trials, sessions = listed(recipe)
    hear = functools.cache(functools.partial(side, verifier))
    _print_scorers(verifier, trials, hear, resampling)
    some = spread(trials, num_trials, seed=recipe.seed)
    as_given: dict[str, Source] = {trial.test: trial.test for trial in some}
    longer = {path: joined(verifier, sessions[path], least_s=LONG_S) for path in as_given}
    long_enough: dict[str, Source] = {path: samples for path, samples in longer.items() if samples is not None}
    print(f"\n{len(some)} trials, means and {resampling.confidence:.0%} intervals over speakers:\n")
    print(f"| | {' | '.join(KINDS)} |\n| --- {'| --- ' * len(KINDS)}|")
    verdicts = []
    for what, tests in {"": as_given, f", {LONG_S:.0f} s": long_enough}.items():
        ordered = [
            (each, explain(verifier, each.enroll, tests[each.test]).orders) for each in some if each.test in tests
        ]
        verdicts += _print_orders(what, ordered, resampling)
    for rows, names in of_maps(verifier, some, hear):
        _print_means(rows, names, resampling)
    for rows, names in of_shuffled(verifier, spread(some, num_shuffled, seed=recipe.seed), hear):
        _print_means(rows, names, resampling)
    print("\n" + "\n".join(verdicts))


def _print_scorers(verifier: Verifier, trials: Sequence[Trial], hear: Hear, resampling: Resampling) -> None:
    """Print the error rates of the whole list by recordings and by their windows."""
    paths = sorted({path for trial in trials for path in (trial.enroll, trial.test)})
    number = {path: row for row, path in enumerate(paths)}
    rows = np.array([(number[trial.enroll], number[trial.test]) for trial in trials]).T
    whole = _scores(verifier, [hear(path).embedding for path in paths], rows)
    of_windows = _scores(verifier, [mean_of_windows(verifier, hear(path).heard[0]) for path in paths], rows)
    target = np.array([trial.target for trial in trials])
    enroll, test = (np.array([trial[place] for trial in trials]) for place in (2, 3))
    told = windows_error(Trials(whole, target, None, enroll, test), of_windows, resampling)
    print(
        f"{told.num_trials:,} trials: EER {_percent(told.eer, told.eer_interval)}, of the windows' scorer "
        f"{_percent(told.windows_eer, told.windows_eer_interval)}, higher by "
        f"{_percent(told.windows_eer - told.eer, told.difference_interval)}",
        flush=True,
    )


def _scores(verifier: Verifier, embeddings: list[NDArray[np.float64]], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    vectors = verifier.backend.transform(np.array(embeddings, np.float32))
    by_name = scores_of(verifier.backend, vectors[rows[0]], vectors[rows[1]])
    return by_name.get("score_norm", by_name["score"])


def _percent(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.2%}" + (f" [{interval[0]:.2%}, {interval[1]:.2%}]" if interval else "")


def _print_orders(what: str, ordered: Sequence[tuple[Trial, list[Order]]], resampling: Resampling) -> list[str]:
    """Print what orders of segments come to; return what to say of each route."""
    by_kind = []
    for kinds in KINDS.values():
        of_kind = [
            Ordered(trial.enroll_speaker, trial.test_speaker, made) for trial, made in ordered if trial.target in kinds
        ]
        by_kind.append({of.by: of for of in of_orders(of_kind, resampling)})
    for by in by_kind[0]:
        of_kinds = [of[by] for of in by_kind if by in of]
        _print_row(f"{by}{what}: z of deletion", [of.deletion_z for of in of_kinds])
        _print_row("... of insertion", [of.insertion_z for of in of_kinds])
        for number, against in enumerate(of_kinds[0].against if by in get_args(Route) else []):
            if against.baseline != "random":
                gains = [of.against[number] for of in of_kinds]
                _print_row(f"... deletion, gain over {against.baseline}", [gain.deletion for gain in gains])
                _print_row("... insertion", [gain.insertion for gain in gains])
    return [_verdict(of, what) for by, of in by_kind[0].items() if by in get_args(Route)]


def _verdict(of: OfOrder, what: str) -> str:
    told = f"no better than {', '.join(of.no_better_than)}" if of.no_better_than else "better than every baseline"
    return f"{of.by}{what}: {told} ({of.deletion_z.num_trials} trials)"


def _print_means(rows: Rows, names: Sequence[str], resampling: Resampling) -> None:
    """Print the mean of each of the values of trials."""
    by_kind = []
    for kinds in KINDS.values():
        some = [row for row in rows if row[0].target in kinds]
        speakers = [trial.enroll_speaker for trial, _ in some], [trial.test_speaker for trial, _ in some]
        values = np.array([values for _, values in some], np.float64).reshape(-1, len(names))
        by_kind.append(means(values, speakers, resampling) if some else [])
    for number, name in enumerate(names):
        _print_row(name, [of[number] for of in by_kind if of])


def _print_row(name: str, told: Iterable[Mean]) -> None:
    cells = [
        f"{mean.value:.2f}" + (f" [{mean.interval[0]:.2f}, {mean.interval[1]:.2f}]" if mean.interval else "")
        for mean in told
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)
