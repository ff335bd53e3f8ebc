"""What is said of a whole list beside the explanations of its trials: as plain data, and in a few lines."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from avis.explain.corpus.averages import Mean
from avis.explain.corpus.mismatch import Regression
from avis.explain.corpus.zoo import Animal, Zoo
from avis.explain.faithfulness.statistics import OfOrder
from avis.explain.page.tables import ORDERS

MOST_NAMED = 3
KINDS = {"target": "one speaker", "nontarget": "two speakers"}
ANIMALS = {
    "goats": "Goats, rejected as themselves",
    "lambs": "Lambs, whom others pass for",
    "wolves": "Wolves, who pass for others",
}
WHAT = {
    "segments": "Parts of recordings that help most",
    "bands": "Bands of frequencies that help most",
    "conditions": "Changes that would help most",
}
DIRECTIONS = {"target": 1, "nontarget": -1}
"""Of evidence that helps."""


class Corpus(NamedTuple):
    """What is said of a list.

    Attributes
    ----------
    decided : str or None
        By what trials are taken for accepted.
    zoo : Zoo or None
    mismatch : dict of str to Regression
        Of ``target`` and ``nontarget`` trials.
    averages : dict
        See `avis.explain.corpus.averages.Averages.means`: of the trials that were explained.
    orders : list of OfOrder
        How far each kind of reason foretells the evidence of the trials that were explained.
    notes : dict of str to str
        What is not said, and why.
    """

    decided: str | None
    zoo: Zoo | None
    mismatch: dict[str, Regression]
    averages: dict[str, dict[str, dict[str, Mean]]]
    orders: list[OfOrder]
    notes: dict[str, str]


def as_json(corpus: Corpus) -> dict[str, Any]:
    """Return all of it as plain data; numbers that are none are null."""
    zoo = corpus.zoo
    return {
        "decided": corpus.decided,
        "zoo": zoo
        and {
            "fnmr": zoo.fnmr,
            "fmr": zoo.fmr,
            **{kind: [each._asdict() for each in animals] for kind, animals in zoo.kinds.items()},
        },
        "mismatch": {kind: _regression(found) for kind, found in corpus.mismatch.items()},
        "averages": {
            what: {name: {kind: mean._asdict() for kind, mean in kinds.items()} for name, kinds in by_name.items()}
            for what, by_name in corpus.averages.items()
        },
        "orders": [each.model_dump() | {"no_better_than": each.no_better_than} for each in corpus.orders],
        "notes": corpus.notes,
    }


def _regression(found: Regression) -> dict[str, Any]:
    told: dict[str, Any] = {"left_out": found.left_out, "num_unknown": found.num_unknown, "weights": {}}
    if fit := found.fit:
        told |= {"num_trials": fit.num_trials, "num_speakers": fit.num_speakers, "explained": fit.explained}
        for name, *numbers in zip(
            ["constant", *found.names], fit.weights, fit.errors, *fit.intervals.T, fit.p_values, strict=True
        ):
            told["weights"][name] = dict(
                zip(("weight", "error", "low", "high", "p"), map(_finite, numbers), strict=True)
            )
    return told


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def as_facts(corpus: Corpus, *, decides: bool) -> dict[str, str]:
    """Return the most of it in lines for a page, each under what it is called, with or without what was decided."""
    facts = {}
    if corpus.decided and decides:
        facts["Decided"] = corpus.decided
    if corpus.zoo and decides:
        facts |= {ANIMALS[kind]: _named(animals) for kind, animals in corpus.zoo.kinds.items()}
    for kind, found in corpus.mismatch.items():
        if found.fit:
            facts[f"Scores where recordings are unlike, {KINDS[kind]}"] = "; ".join(_weights(found))
    for what, by_name in corpus.averages.items():
        for kind in KINDS:
            if named := _strongest(by_name, kind):
                facts[f"{WHAT[what]}, {KINDS[kind]}"] = named
    for each in corpus.orders:
        facts[f"Order by {ORDERS[each.by].lower()}"] = _foretold(each)
    return facts | {name.capitalize(): note for name, note in corpus.notes.items()}


def _foretold(order: OfOrder) -> str:
    """Say how much more of the evidence goes with what an order puts first than with anything."""
    z, interval = order.deletion_z, order.deletion_z.interval
    within = f" [{interval[0]:+.2f}, {interval[1]:+.2f}]" if interval else ""
    beaten = [ORDERS[each].lower() for each in order.no_better_than]
    return (
        f"taking away is {z.value:+.2f}{within} deviations better than chance, over {z.num_trials:,} trials"
        f"{'; no better than ' + ', '.join(beaten) if beaten else ''}"
    )


def _named(animals: list[Animal]) -> str:
    worst = [each for each in animals if each.errors][:MOST_NAMED]
    if not worst:
        return f"none of {len(animals)} speakers"
    named = "; ".join(
        f"{each.speaker} {each.rate:.0%} ({each.errors:,} of {each.trials:,} trials"
        f"{', beyond chance' if each.stands_out else ''})"
        for each in worst
    )
    num = sum(each.stands_out for each in animals)
    return f"{named}; {num} of {len(animals)} speakers beyond chance, were their trials independent"


def _weights(found: Regression) -> Iterator[str]:
    assert found.fit is not None, "a regression that was fitted"
    columns = zip(found.names, found.fit.weights[1:], found.fit.intervals[1:], strict=True)
    for name, weight, (low, high) in columns:
        what, _, unit = name.partition(", ")
        yield f"{weight:+.3g} per {unit} of {what} [{low:+.3g}, {high:+.3g}]"
    yield f"{found.fit.num_trials:,} trials of {found.fit.num_speakers} speakers, {found.fit.explained:.0%} explained"


def _strongest(by_name: Mapping[str, Mapping[str, Mean]], kind: str) -> str:
    means = [(name, kinds[kind]) for name, kinds in by_name.items() if kind in kinds]
    means.sort(key=lambda each: -DIRECTIONS[kind] * each[1].mean)
    return "; ".join(
        f"{name}: {mean.mean:+.2f}" + (f" [{mean.low:+.2f}, {mean.high:+.2f}]" if mean.low is not None else "")
        for name, mean in means[:MOST_NAMED]
    )
