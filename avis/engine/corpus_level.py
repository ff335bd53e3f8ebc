"""Gather what is said of a whole list: from its scores, its recordings' measures, and the records of explanations."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis import store
from avis.engine.trials.vectors import speech_seconds
from avis.evaluation.score_table import SPEAKERS, ScoredTrials, ScoreTable, read_scores
from avis.explain.corpus.averages import Averages, Mean
from avis.explain.corpus.mismatch import Regression, differences, regress
from avis.explain.corpus.summary import Corpus
from avis.explain.corpus.zoo import Zoo, zoo
from avis.explain.faithfulness.statistics import OfOrder, Ordered, of_orders
from avis.explain.record import Explanation
from avis.metrics.bootstrap import Resampling
from avis.metrics.summary import summarize
from avis.scoring.trial_ids import gather

MEASURES = ("snr_db", "bandwidth_hz", "speech_s")
RESAMPLING = Resampling(num_draws=1000, confidence=0.95, seed=0)
SELECTED = "not said: the trials were chosen by their scores; worst=null explains all"


def corpus_level(
    scores: str, records: str, utterances: str, *, models: pa.Table | None, all_explained: bool, most_trials: int
) -> Corpus:
    """Return what is said of a list whose answers are known.

    Parameters
    ----------
    scores, records, utterances : str
        URIs of its scores table, of the records of its explanations, and of the store of its recordings.
    models : pyarrow.Table or None
        Its enrolment models.
    all_explained : bool
        Whether no trial was left out: only then a regression on what is told in records is not one of a choice.
    most_trials : int
        Of longer lists only averages of records are said.
    """
    table, told = ScoreTable(scores), _told(records)
    if table.num_trials > most_trials:
        note = f"not said of {table.num_trials:,} trials: more than evaluation.trials_in_memory={most_trials:,}"
        return Corpus(None, None, {}, told.averages, told.orders, {"speakers and mismatch": note})
    scored = read_scores(table, columns=["enroll", "test", *_decisions(table)])
    animals, decided, notes = _zoo(table, scored)
    unlike = _unlike(scored, utterances, models)
    mismatch = {kind: _of_kind(scored, unlike, np.arange(table.num_trials), kind) for kind in ("target", "nontarget")}
    if told.acoustics and all_explained:
        unlike = {name: values[told.rows] for name, values in unlike.items()} | told.acoustics
        mismatch = {kind: _of_kind(scored, unlike, told.rows, kind) for kind in ("target", "nontarget")}
    elif told.acoustics:
        notes["acoustics and scores"] = SELECTED
    return Corpus(decided, animals, mismatch, told.averages, told.orders, notes)


def _decisions(table: ScoreTable) -> list[str]:
    return ["accept"] if "accept" in table.columns else []


def _zoo(table: ScoreTable, scored: ScoredTrials) -> tuple[Zoo | None, str | None, dict[str, str]]:
    """Return the speakers, by what was decided, and why neither is said."""
    trials = scored.trials
    if "accept" in scored.columns.column_names:
        accept = scored.columns["accept"].to_numpy(zero_copy_only=False)
        decided = "at the operating point of the scores"
    else:
        threshold = summarize(*trials[:3]).eer_threshold
        accept, decided = trials.scores >= threshold, f"at {threshold:.4f}, where both error rates are equal"
    if trials.enroll_speaker is None:
        why = (scored.no_speakers or "").removeprefix("no interval: ")
        return None, decided, {"speakers": f"not told apart: {why}"}
    names = [table.table([side], answered=False)[side].to_numpy(zero_copy_only=False).astype(str) for side in SPEAKERS]
    return zoo(accept, trials.target, *names), decided, {}


def _of_kind(
    scored: ScoredTrials, unlike: dict[str, NDArray[np.float64]], rows: NDArray[np.int64], kind: str
) -> Regression:
    trials = scored.trials.take(rows)
    of_kind = trials.target == (kind == "target")
    speakers = _speaker_pairs(trials.enroll_speaker, trials.test_speaker, len(rows))
    return regress(
        {name: values[of_kind] for name, values in unlike.items()}, trials.scores[of_kind], speakers[of_kind]
    )


def _speaker_pairs(enroll: NDArray | None, test: NDArray | None, num: int) -> NDArray[np.int64]:
    """Return the speakers of both sides as numbers ``[trials, 2]``; unknown ones are each trial's own."""
    if enroll is None or test is None:
        return np.repeat(np.arange(num)[:, None], 2, axis=1)
    return np.stack([enroll, test], axis=1).astype(np.int64)


def _unlike(scored: ScoredTrials, utterances: str, models: pa.Table | None) -> dict[str, NDArray[np.float64]]:
    columns = ["utt_id", "num_samples", "sample_rate", *MEASURES]
    index = store.read_table(utterances, "utterances", columns=columns)
    measures = {name: index[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in MEASURES}
    measures["speech_s"] = speech_seconds(index["utt_id"], index)
    tests = gather(scored.columns["test"], index["utt_id"])
    test = {name: values[tests] for name, values in measures.items()}
    if models is None:
        rows = gather(scored.columns["enroll"], index["utt_id"])
        return differences({name: values[rows] for name, values in measures.items()}, test)
    counted = models["enroll_model"].combine_chunks().value_counts()
    counts, members = counted.field("counts").to_numpy(), gather(models["utt_id"], index["utt_id"])
    begins = np.cumsum(counts) - counts
    of_models = {name: np.add.reduceat(values[members], begins) for name, values in measures.items()}
    of_models |= {name: of_models[name] / counts for name in ("snr_db", "bandwidth_hz")}
    rows = gather(scored.columns["enroll"], counted.field("values"))
    return differences({name: values[rows] for name, values in of_models.items()}, test)


class _Told(NamedTuple):
    """What records say: means, orders, rows of their trials in the scores table, how much voices differ by name."""

    averages: dict[str, dict[str, dict[str, Mean]]]
    orders: list[OfOrder]
    rows: NDArray[np.int64]
    acoustics: dict[str, NDArray[np.float64]]


def _told(records: str) -> _Told:
    averages, speakers, rows = Averages(), dict[str, int](), list[int]()
    acoustics: dict[str, dict[int, float]] = {}
    ordered: list[Ordered] = []
    for row in _rows(records):
        explanation = Explanation.model_validate_json(row["explanation"])
        names = [row[side] if row[side] is not None else f"\0{row['number']}" for side in SPEAKERS]
        ordered.append(Ordered(names[0], names[1], explanation.orders))
        if row["target"] is not None:
            enroll, test = (speakers.setdefault(name, len(speakers)) for name in names)
            averages.add(explanation, target=row["target"], speakers=(enroll, test))
        for each in explanation.acoustics:
            if each.enroll is not None and each.test is not None:
                acoustics.setdefault(f"{each.name}, {each.unit}", {})[len(rows)] = abs(each.enroll - each.test)
        rows.append(row["number"] - 1)
    differing = {name: np.full(len(rows), np.nan) for name in acoustics}
    for name, values in acoustics.items():
        differing[name][list(values)] = list(values.values())
    return _Told(averages.means(), of_orders(ordered, RESAMPLING), np.array(rows, np.int64), differing)


def _rows(records: str) -> Iterator[dict[str, Any]]:
    for uri in store.part_uris(records, "explanations"):
        yield from store.open_part(uri).read(["number", "target", *SPEAKERS, "explanation"]).to_pylist()
