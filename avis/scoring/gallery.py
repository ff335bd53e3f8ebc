"""Make trial lists for identification: every probe against every enrolment."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.schema import TRIALS
from avis.scoring.pairing import distinct, rows_of_split, run_ends


class Gallery:
    """Enrol speakers with utterances of one session, and try every utterance of other sessions against all of them.

    Each enrolled utterance is an enrolment of its own; a speaker counts with the best of theirs. Speakers with one
    session may be enrolled without a probe of their own.

    Where there are utterances of unknown speakers, nothing is drawn: these are the probes, all others are enrolled, and
    nobody has the answers.

    Parameters
    ----------
    split : str
        Split whose utterances are used.
    enrolments_per_speaker : int
        Utterances of the drawn session that are enrolled; all of it where it has fewer.
    strangers : float
        Share of the speakers, from 0 to below 1, who are not enrolled: all their utterances are probes.
    max_probes : int
        Most probes; if there are more, as many are drawn evenly from those of enrolled speakers and strangers together.
    seed : int
        Seed of the draws; see `avis.scoring.pairing.Pairing`.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    def __init__(
        self, *, split: str, enrolments_per_speaker: int, strangers: float, max_probes: int, seed: int
    ) -> None:
        if min(enrolments_per_speaker, max_probes) < 1 or not 0.0 <= strangers < 1.0:
            raise ValueError(
                f"A gallery has enrolments and probes: got enrolments_per_speaker={enrolments_per_speaker}, "
                f"max_probes={max_probes} and strangers={strangers}, expected counts from 1 and a share from 0 to "
                "below 1. At pairing. Correct them."
            )
        self.split, self.enrolments_per_speaker, self.strangers = split, enrolments_per_speaker, strangers
        self.max_probes, self.seed = max_probes, seed

    def pairs(self, utterances: pa.Table) -> pa.Table:
        """Make the list.

        Parameters
        ----------
        utterances : pyarrow.Table
            Columns ``utt_id``, ``speaker`` (null where unknown), ``session`` and ``split`` of a store.

        Returns
        -------
        pyarrow.Table
            Trials in schema `avis.schema.TRIALS`, probe by probe.

        Raises
        ------
        ValueError
            If there is no such split, or it has too few speakers or sessions for a gallery, its probes and strangers.
        """
        order = [(name, "ascending") for name in ("speaker", "session", "utt_id")]
        rows = rows_of_split(utterances, self.split).sort_by(order)
        if rows["speaker"].null_count:
            return self._named(rows)
        enrolled, probed = self._drawn(rows)
        speaker = np.asarray(pc.dictionary_encode(rows["speaker"]).combine_chunks().indices)
        target = speaker[np.tile(enrolled, len(probed))] == speaker[np.repeat(probed, len(enrolled))]
        if target.all() or not target.any():
            raise ValueError(
                f"nothing to identify: got {np.unique(speaker[enrolled]).size} enrolled speakers and {len(probed)} "
                f"probes, {np.count_nonzero(target)} of {target.size} trials by the same speaker, expected some of "
                f"each kind. At split={self.split} with strangers={self.strangers}. Add speakers with several "
                "sessions, or tell known from unknown ones by corpus=gallery."
            )
        return _trials(rows["utt_id"], enrolled, probed, pa.array(target))

    def _named(self, rows: pa.Table) -> pa.Table:
        """Try every utterance of an unknown speaker against all others."""
        is_unknown = np.asarray(pc.is_null(rows["speaker"]))
        enrolled, probed = np.flatnonzero(~is_unknown), np.flatnonzero(is_unknown)
        if not len(enrolled):
            raise ValueError(
                f"nobody to identify: got {len(probed)} utterances of unknown speakers and none of known ones, "
                f"expected some of both. At split={self.split}. Enrol somebody: corpus=gallery has a folder of each."
            )
        return _trials(rows["utt_id"], enrolled, probed, pa.nulls(len(enrolled) * len(probed), pa.bool_()))

    def _drawn(self, rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the rows of enrolments and of probes, both rising, from rows sorted by speaker and session."""
        stream = np.random.PCG64(self.seed)
        speaker_end, session_end = (run_ends(rows.select(["speaker", "session"]), columns) for columns in (1, 2))
        ends = np.unique(speaker_end)
        num_strangers = round(self.strangers * len(ends))
        if self.strangers and not num_strangers:
            raise ValueError(
                f"no strangers: got strangers={self.strangers} of {len(ends)} speakers, expected at least one. "
                "At strangers. Raise it, or set it to 0 for a closed set."
            )
        stranger = np.isin(speaker_end, ends[distinct(stream, len(ends), num_strangers)])
        drawn_session = stream.random_raw(len(rows))[session_end - 1]  # one number for each session
        least = np.minimum.reduceat(drawn_session, np.append(0, ends[:-1]))
        in_session = (drawn_session == least[np.searchsorted(ends, speaker_end)]) & ~stranger
        order = np.lexsort((stream.random_raw(len(rows)), session_end))
        rank = np.empty(len(rows), np.int64)
        rank[order] = np.arange(len(rows)) - np.searchsorted(session_end, session_end[order])
        enrolled = np.flatnonzero(in_session & (rank < self.enrolments_per_speaker))
        probed = np.flatnonzero(~in_session)
        if len(probed) > self.max_probes:
            probed = probed[np.sort(distinct(stream, len(probed), self.max_probes))]
        return enrolled, probed


def _trials(ids: pa.ChunkedArray, enrolled: NDArray[np.int64], probed: NDArray[np.int64], target: pa.Array) -> pa.Table:
    """Return the trials of every probe against every enrolment, probe by probe."""
    sides = (ids.take(np.tile(enrolled, len(probed))), ids.take(np.repeat(probed, len(enrolled))))
    return pa.Table.from_arrays([*sides, target], schema=TRIALS)
