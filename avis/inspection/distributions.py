"""How much there is of each split and corpus, and how its measures are distributed."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from avis.inspection.columns import UNKNOWN, StoreColumns
from avis.reports.store_findings import Amounts, Group, Histogram, Summary

QUANTILES = {"min": 0.0, "p05": 0.05, "median": 0.5, "p95": 0.95, "max": 1.0}
NUM_BINS = 40

_OUTSIDE = 0.0005
"""Share of the values at either end that is counted in the outermost bars, so that these few do not squeeze all."""


def groups(data: StoreColumns) -> list[Group]:
    """Return the amounts of every split and, where it has several, of its corpora."""
    return [
        Group(split, corpus, amounts(data, rows))
        for split in data.splits()
        for corpus, rows in _corpora(data, data.in_split(split))
    ]


def _corpora(data: StoreColumns, rows: NDArray[np.bool_]) -> Iterator[tuple[str | None, NDArray[np.bool_]]]:
    present = np.flatnonzero(data.corpus.counts(rows))
    yield None, rows
    if len(present) > 1:
        yield from sorted((data.corpus.name(code), rows & (data.corpus.codes == code)) for code in present)


def amounts(data: StoreColumns, rows: NDArray[np.bool_]) -> Amounts:
    """Return how much there is of some utterances ``[utterances]``."""
    duration_s, silence = data.measures["duration_s"][rows], data.measures["silence_share"][rows]
    sessions = sessions_per_speaker(data, rows)
    return Amounts(
        utterances=int(np.count_nonzero(rows)),
        speakers=int(np.count_nonzero(data.speaker.counts(rows))),
        without_speaker=int(np.count_nonzero(data.speaker.codes[rows] == UNKNOWN)),
        sessions=int(sessions.sum()),
        single_session_speakers=int(np.count_nonzero(sessions == 1)),
        hours=float(duration_s.sum() / 3600.0),
        speech_hours=None if np.isnan(silence).all() else float(np.nansum(duration_s * (1.0 - silence)) / 3600.0),
        measures={name: summarize(values) for name, values in measures(data, rows).items()},
    )


def measures(data: StoreColumns, rows: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return the values of every measure among these utterances: one for each utterance, or for each speaker."""
    per_speaker = data.speaker.counts(rows)
    return {
        "utterances_per_speaker": per_speaker[per_speaker > 0].astype(np.float64),
        "sessions_per_speaker": sessions_per_speaker(data, rows).astype(np.float64),
        **{name: values[rows] for name, values in data.measures.items()},
    }


def sessions_per_speaker(data: StoreColumns, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of known sessions of every known speaker who has any among these utterances."""
    rows = rows & (data.speaker.codes != UNKNOWN) & (data.session.codes != UNKNOWN)
    pairs = np.unique(data.speaker.codes[rows] * len(data.session.names) + data.session.codes[rows])
    counts = np.bincount(pairs // max(len(data.session.names), 1))
    return counts[counts > 0]


def summarize(values: NDArray[np.float64]) -> Summary:
    """Count values that are known and missing (NaN), and return mean and quantiles of the known ones.

    >>> summarize(np.array([1.0, 2.0, 3.0, np.nan]))
    Summary(known=3, missing=1, mean=2.0, min=1.0, p05=1.1, median=2.0, p95=2.9, max=3.0)
    """
    known = values[~np.isnan(values)]
    num_missing = int(values.size - known.size)
    if not known.size:
        return Summary(0, num_missing, None, **dict.fromkeys(QUANTILES))
    quantiles = dict(zip(QUANTILES, np.quantile(known, list(QUANTILES.values())).tolist(), strict=True))
    return Summary(int(known.size), num_missing, float(known.mean()), **quantiles)


def histograms(data: StoreColumns) -> dict[str, Histogram]:
    """Return for every measure that is known of anything how its values are distributed in each split.

    Where values are counts themselves, there is a bar for each whole number, as far as there are no more than
    `NUM_BINS`.
    """
    of_splits = {split: measures(data, data.in_split(split)) for split in data.splits()}
    drawn = {}
    for name in next(iter(of_splits.values()), {}):
        known = {split: values[name][~np.isnan(values[name])] for split, values in of_splits.items()}
        known = {split: values for split, values in known.items() if values.size}
        if known:
            edges = _edges(np.concatenate(list(known.values())), whole=name.endswith("_per_speaker"))
            counts = {
                split: np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] for split, values in known.items()
            }
            drawn[name] = Histogram(edges.tolist(), {split: each.tolist() for split, each in counts.items()})
    return drawn


def _edges(values: NDArray[np.float64], *, whole: bool) -> NDArray[np.float64]:
    low, high = np.quantile(values, [_OUTSIDE, 1.0 - _OUTSIDE])
    if whole:
        low, high = np.floor(low), np.ceil(high)
        step = -(-(high - low + 1) // NUM_BINS)
        return np.arange(low - 0.5, high + step, step)
    return np.histogram_bin_edges([low, high], bins=NUM_BINS)
