"""Join several systems' scores of one trial list, weighted as is best for a list of other speakers."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.evaluation.list_report import read_origin
from avis.evaluation.score_table import (
    CALIBRATION,
    CHECKPOINT,
    FUSION,
    LEFT_OUT,
    ORIGIN,
    SPEAKERS,
    TRAINED_ON,
    ScoreTable,
    speaker_numbers,
)
from avis.evaluation.systems import Systems, join_systems
from avis.evaluation.written_scores import write_scores
from avis.lineage import UNKNOWN
from avis.metrics.eer import equal_error_rate
from avis.metrics.list_metrics import FusedSystem, FusionFacts
from avis.names import shared
from avis.schema import DECIDING_SCORES, SCORES
from avis.scoring.fusion import Fusion

NAMES_SHOWN = 5


class Fused(NamedTuple):
    """Where fused scores are.

    Attributes
    ----------
    scores : str
        Their scores table.
    best_single : str or None
        Scores table of the system which alone has the lowest equal error rate on the same list, calibrated on the same
        trials; None where there is no other system, or the list has no answers.
    """

    scores: str
    best_single: str | None


def fuse(scores: Sequence[str], development: Sequence[str], out: str, *, fusion: Fusion) -> Fused:
    """Fit weights on the systems' scores of a development list, and write the fused scores of another list.

    Parameters
    ----------
    scores : sequence of str
        Where the scores of each system are, all of one list, in any order; see
        `avis.evaluation.score_table.ScoreTable`. Answers, speakers and conditions are taken from whichever system has
        them, and answers may be unknown.
    development : sequence of str
        Where scores of the same systems are for trials of other speakers, with answers.
    out : str
        Folder below which scores are written.
    fusion : Fusion
        What is fitted.

    Raises
    ------
    ValueError
        If systems don't fit each other, a speaker of the development trials is in the other list too, or see
        `avis.evaluation.systems.join_systems` and `avis.scoring.fusion.Fusion.fit`.
    """
    names = system_names(scores)
    if len(scores) != len(development):
        raise ValueError(
            f"development scores missing: got {len(development)} for {len(scores)} systems, expected one of each "
            "system, in the same order. At development. Score a list of other speakers with every system: "
            "development=[<path>,...]."
        )
    for name, one, other in zip(names, scores, development, strict=True):
        _check_one_system(one, other)
        print(f"{name}: weighted by its scores {other}", flush=True)
    pairs = [_same_column(ScoreTable(one), ScoreTable(other)) for one, other in zip(scores, development, strict=True)]
    tested, fitted = (join_systems(systems) for systems in zip(*pairs, strict=True))
    where = ", ".join(development)
    warnings = [*_check_disjoint(fitted.trials, tested.trials, where), *_fit(fusion, fitted, slice(None), where)]
    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    eers = _equal_error_rates(tested)
    systems = {
        name: FusedSystem(one.uri, other.uri, one.deciding, weight, eer)
        for name, (one, other), weight, eer in zip(names, pairs, fusion.weights.tolist(), eers, strict=True)
    }
    origins: dict[str, str] = {}
    for name, system in systems.items():
        origins |= {f"scores of {name}": system.scores, f"development of {name}": system.development}
    trained_on = {name: read_origin(system.scores).get(TRAINED_ON) for name, system in systems.items()}
    if any(trained_on.values()):
        origins[TRAINED_ON] = "; ".join(f"{name}: {words or UNKNOWN}" for name, words in trained_on.items())
    fused_of = dataclasses.asdict(FusionFacts(systems, fusion.offset))
    facts = {"warnings": warnings, ORIGIN: origins, FUSION: fused_of, **_facts_of_list(scores)}
    fused = _write(tested, slice(None), fusion, location.join(out, "scores", "fused"), facts)
    known = [eer for eer in eers if eer is not None]
    if len(known) < 2:
        return Fused(fused, None)
    best = int(np.argmin(known))
    _fit(fusion, fitted, [best], where)
    return Fused(fused, _write(tested, [best], fusion, location.join(out, "scores", names[best]), {ORIGIN: origins}))


def system_names(scores: Sequence[str]) -> list[str]:
    """Return a name of each system: the last parts of its path, as many as tell all apart, without needless suffix.

    Raises
    ------
    ValueError
        If there is no system, or one twice.
    """
    if not scores or len(set(scores)) < len(scores):
        raise ValueError(
            f"systems not told apart: got scores={', '.join(scores) or 'none'}, expected each once. At scores. Give "
            "the scores of every system, and none twice."
        )
    names = [name.replace("/", "-") for name in location.distinct_names(scores)]
    stems = [location.stem(name) for name in names]
    return stems if len(set(stems)) == len(stems) else names


def _check_one_system(scores: str, development: str) -> None:
    """Refuse two scores tables that say that they were made with different checkpoints."""
    tables = [uri for uri in (scores, development) if location.is_folder(uri)]
    made_with = [store.open_manifest(uri).get(ORIGIN, {}).get(CHECKPOINT) for uri in tables]
    if len(tables) == 2 and None not in made_with and made_with[0] != made_with[1]:
        raise ValueError(
            f"development scores of another system: got {development}, made with the checkpoint {made_with[1]}, "
            f"expected that of {scores}, {made_with[0]}. At development. Give both lists in the same order."
        )


def _same_column(ours: ScoreTable, theirs: ScoreTable) -> tuple[ScoreTable, ScoreTable]:
    """Let both lists of a system be decided by the first kind of score that both have."""
    ours.deciding = theirs.deciding = next(c for c in DECIDING_SCORES if c in ours.columns and c in theirs.columns)
    return ours, theirs


def _check_disjoint(development: pa.Table, evaluated: pa.Table, where: str) -> list[str]:
    """Refuse development trials that share speakers or test utterances with others; return what cannot be said."""
    for columns, what in ((SPEAKERS, "speakers"), (("test",), "test utterances")):
        both = shared(_values(development, columns), _values(evaluated, columns))
        if both:
            raise ValueError(
                f"development list evaluated: got {len(both)} {what} of it among those evaluated, expected none, since "
                f"weights suit those that they are fitted on. At {', '.join(both[:NAMES_SHOWN])} of {where}. Give "
                "development scores of other speakers."
            )
    if _values(development, SPEAKERS) and _values(evaluated, SPEAKERS):
        return []
    return [
        "Nobody can say whether the systems were fused on other speakers than those evaluated: the development scores "
        "or the evaluated ones do not say who speaks (columns enroll_speaker and test_speaker)."
    ]


def _values(trials: pa.Table, columns: Sequence[str]) -> set[str]:
    known = [trials[name].drop_null().unique().to_pylist() for name in columns if name in trials.column_names]
    return {str(value) for values in known for value in values}


def _fit(fusion: Fusion, fitted: Systems, chosen: Any, where: str) -> list[str]:
    """Fit weights of the chosen systems, and return what is to be warned of."""
    if unknown := fitted.trials["target"].null_count:
        raise ValueError(
            f"answers unknown: got {unknown} development trials without target, expected none. At {where}. Give "
            "development scores of a list whose answers are known."
        )
    target = fitted.trials["target"].to_numpy(zero_copy_only=False).astype(bool)
    enroll, test, unknown_speakers = speaker_numbers(fitted.trials, target)
    speakers = None if enroll is None or test is None else np.column_stack([enroll, test])
    try:
        fusion.fit(fitted.scores[:, chosen], target, speakers)
    except ValueError as error:
        raise ValueError(f"{error} The trials are those of {where}.") from error
    if speakers is not None:
        return []
    return [
        "Log-likelihood ratios are capped as if every development trial had speakers of its own, so that they may be "
        f"too strong: {str(unknown_speakers).removeprefix('no interval: ')}."
    ]


def _facts_of_list(scores: Sequence[str]) -> dict[str, Any]:
    """Return what the systems' scores tables say of the list, and the highest count of each of its flaws."""
    facts: dict[str, Any] = {}
    flagged: dict[str, int] = {}
    for manifest in (store.open_manifest(uri) for uri in scores if location.is_folder(uri)):
        facts |= {key: manifest[key] for key in ("list", LEFT_OUT) if key in manifest}
        for check, count in manifest.get("flagged", {}).items():
            flagged[check] = max(count, flagged.get(check, 0))
    return {"flagged": flagged, **facts}


def _equal_error_rates(tested: Systems) -> list[float | None]:
    """Return that of each system alone, None where the answers don't give one."""
    num_target = pc.sum(tested.trials["target"]).as_py() or 0
    if tested.trials["target"].null_count or num_target in (0, len(tested.trials)):
        return [None] * tested.scores.shape[1]
    target = tested.trials["target"].to_numpy(zero_copy_only=False)
    return [equal_error_rate(scores, target)[0] for scores in tested.scores.T]


def _write(tested: Systems, chosen: Any, fusion: Fusion, name: str, facts: dict[str, Any]) -> str:
    """Write the scores table of the chosen systems, unless it is there, and return where it is."""
    llr = fusion.uncapped_llr(tested.scores[:, chosen])
    table = tested.trials
    for column, values in (("score", llr), ("llr_uncapped", llr), ("llr", fusion.cap(llr))):
        table = table.append_column(SCORES.field(column), pa.array(values))
    facts = {"trials": location.stem(name), CALIBRATION: fusion.facts(), **facts}
    return write_scores(table, name, facts)
