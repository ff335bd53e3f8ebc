"""State identification figures of a list in which every probe is tried against every enrolment."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis.evaluation.score_table import PAIR
from avis.metrics.identification import closed_set_accuracy, open_set_rate
from avis.metrics.trials import Trials


class Identification:
    """Which identification figures are stated.

    Parameters
    ----------
    ranks : list of int
        Among how many of the best speakers the right one is looked for; none: nothing is stated.
    false_alarm_rates : list of float
        Shares of strangers that may be taken for somebody, at which it is stated how many enrolled speakers are found
        and named first.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    def __init__(self, *, ranks: list[int], false_alarm_rates: list[float]) -> None:
        if not (all(rank >= 1 for rank in ranks) and all(0.0 <= rate <= 1.0 for rate in false_alarm_rates)):
            raise ValueError(
                f"identification out of range: got ranks={ranks} and false_alarm_rates={false_alarm_rates}, expected "
                "ranks from 1 and shares from 0 to 1. At evaluation.identification. Correct them."
            )
        self.ranks, self.false_alarm_rates = ranks, false_alarm_rates

    def stated(self, trials: Trials, pairs: pa.Table, no_speakers: str | None) -> dict[str, Any]:
        """Return ``identification``, or None and ``identification_note`` where the list does not permit it.

        Parameters
        ----------
        trials : Trials
        pairs : pyarrow.Table
            Columns ``enroll`` and ``test``, as far as the scores have them.
        no_speakers : str or None
            Why the trials have no speakers.

        Returns
        -------
        dict
            Nothing if nothing is wanted. Else ``identification`` with ``num_probes``, ``num_strangers`` (probes of
            speakers who are not enrolled), ``num_enrolments``, ``num_speakers`` (enrolled), ``closed_set`` (accuracy
            by rank, over probes of enrolled speakers) and ``open_set`` (see `avis.metrics.identification.OpenSetRate`,
            by false-alarm rate; empty without strangers).
        """
        if not self.ranks:
            return {}
        if set(PAIR) - set(pairs.column_names):
            return not_stated("the scores do not say which trial is which (columns enroll and test)")
        if trials.enroll_speaker is None or trials.test_speaker is None:
            return not_stated((no_speakers or "").removeprefix("no interval: "))
        (enroll, num_enrolments), (test, num_probes) = (_numbered(pairs[side]) for side in PAIR)
        num_cells, cell = num_enrolments * num_probes, test * num_enrolments + enroll
        if len(cell) != num_cells or np.unique(cell).size != num_cells:
            return not_stated(
                f"not every probe is tried once against every enrolment ({len(cell):,} trials of {num_probes:,} probes "
                f"and {num_enrolments:,} enrolments, {num_cells:,} pairs)"
            )
        matrix = np.empty(num_cells, trials.scores.dtype)
        matrix[cell] = trials.scores
        gallery, probe = np.empty(num_enrolments, np.int64), np.empty(num_probes, np.int64)
        gallery[enroll], probe[test] = trials.enroll_speaker, trials.test_speaker
        if not (
            np.array_equal(gallery[enroll], trials.enroll_speaker) and np.array_equal(probe[test], trials.test_speaker)
        ):
            return not_stated("an enrolment or a probe is said to be of several speakers")
        return {"identification": self._figures(matrix.reshape(num_probes, num_enrolments), probe, gallery)}

    def _figures(
        self, matrix: NDArray[np.floating], probe: NDArray[np.int64], gallery: NDArray[np.int64]
    ) -> dict[str, Any]:
        enrolled = np.isin(probe, gallery)
        strangers = not enrolled.all()
        closed, own = matrix[enrolled], probe[enrolled]
        return {
            "num_probes": int(probe.size),
            "num_strangers": int(np.count_nonzero(~enrolled)),
            "num_enrolments": int(gallery.size),
            "num_speakers": int(np.unique(gallery).size),
            "closed_set": {str(rank): closed_set_accuracy(closed, own, gallery, rank=rank) for rank in self.ranks},
            "open_set": {
                f"{rate:g}": open_set_rate(matrix, probe, gallery, false_alarm_rate=rate)._asdict()
                for rate in self.false_alarm_rates
                if strangers
            },
        }


def not_stated(reason: str) -> dict[str, Any]:
    """Return what is stated of a list without identification figures."""
    return {"identification": None, "identification_note": f"no identification: {reason}"}


def _numbered(ids: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    """Return a number from 0 on for each id, and how many different ones there are."""
    coded = ids.dictionary_encode(null_encoding="encode").combine_chunks()
    return coded.indices.to_numpy().astype(np.int64), len(coded.dictionary)
