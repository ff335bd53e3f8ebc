"""Check a trial list before its scores are believed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.lineage import Lineage, audio_codes, spelled
from avis.names import fold
from avis.scoring.trial_ids import NO_REJECTS, resolve, some_of

Action = Literal["refuse", "flag"]

_RULES = {
    "shared_speakers": (
        "speaker in both train and test: got {} speakers of the trials among those trained on",
        "Leave them out of one side, give the corpus another name if they are other people",
    ),
    "shared_audio": (
        "audio in both train and test: got {} utterances of the trials whose samples were trained on, under any id",
        "Leave them out of one side",
    ),
    "self_trials": (
        "A trial compares two utterances: got {} trials of an utterance with itself",
        "Remove them from the list: their score is always perfect",
    ),
    "same_audio": (
        "A trial compares two recordings: got {} trials of the same samples under two ids",
        "Remove them from the list: their score is always perfect",
    ),
    "duplicates": (
        "A trial stands once in a list: got {} trials that repeat another, in either order",
        "Remove them from the list: they count twice",
    ),
    "contradictions": (
        "A pair of utterances has one answer: got {} pairs that are called both target and non-target",
        "Correct the answers",
    ),
    "wrong_answers": (
        "A trial is target where one speaker is on both sides, else non-target: got {} trials whose answer their "
        "speakers in the store contradict",
        "Correct the answers or the speakers",
    ),
}
_MAX_NAMED_PAIRS = 5

UNKNOWN = -1
"""In place of the number of a speaker whom nobody knows; as an index, the last."""


@dataclass(frozen=True, kw_only=True)
class TrialChecks:
    """What to do about trials that distort the error rates: refuse the list, or score it and count them.

    Parameters
    ----------
    missing_ids : {"refuse", "leave_out"}
        Trials of utterances that the store lacks; they cannot be scored, so they are left out where not refused.
    shared_speakers : {"refuse", "flag"}
        Speakers of the trials that the model or one before it was trained on, in whatever case, blanks and form their
        names are written.
    shared_audio : {"refuse", "flag"}
        Utterances of the trials whose samples the model or one before it was trained on, whatever they are called.
    self_trials : {"refuse", "flag"}
        Trials of an utterance with itself, or with an enrolment model that has it.
    same_audio : {"refuse", "flag"}
        The same of two utterances of the same samples.
    duplicates : {"refuse", "flag"}
        Trials whose pair of utterances came before, in either order.
    contradictions : {"refuse", "flag"}
        Pairs of utterances that are called target in one trial and non-target in another, in either order.
    wrong_answers : {"refuse", "flag"}
        Trials called target whose utterances are of two speakers, or non-target whose are of one; where a speaker is
        not known, nothing can be said.
    """

    missing_ids: Literal["refuse", "leave_out"]
    shared_speakers: Action
    shared_audio: Action
    self_trials: Action
    same_audio: Action
    duplicates: Action
    contradictions: Action
    wrong_answers: Action

    @property
    def leave_out_missing(self) -> bool:
        """Whether trials are left out whose utterances the store lacks."""
        return self.missing_ids == "leave_out"

    def apply(
        self, trials: pa.Table, utterances: pa.Table, *, lineage: Lineage, rejects: pa.Table = NO_REJECTS
    ) -> tuple[pa.Table, dict[str, int]]:
        """Check a list, and bring it into the ids of a store.

        Parameters
        ----------
        trials : pyarrow.Table
            The list as `avis.scoring.trials.read_trials` returns it.
        utterances : pyarrow.Table
            Columns ``utt_id``, ``speaker`` (null where unknown), ``corpus`` and ``sha256`` of the store.
        lineage : Lineage
            What the model was trained on, or will be, and the models before it.
        rejects : pyarrow.Table
            Says why an utterance is missing; see `avis.scoring.trial_ids.find`.

        Returns
        -------
        trials : pyarrow.Table
            The list in the store's ids; see `avis.scoring.trial_ids.resolve`.
        flagged : dict of str to int
            For each check by its name: the number of trials (``missing_ids``, ``self_trials``, ``same_audio``,
            ``duplicates``, ``wrong_answers``), pairs (``contradictions``), speakers (``shared_speakers``) or utterances
            (``shared_audio``) it found.

        Raises
        ------
        ValueError
            If a check that refuses found something, or nothing is left to score.
        """
        corpora = sorted(utterances["corpus"].unique().to_pylist())
        resolved, rows = resolve(
            trials, utterances["utt_id"], corpora=corpora, leave_out_missing=self.leave_out_missing, rejects=rejects
        )
        if len(resolved) == 0:
            raise nothing_left(len(trials), trials["enroll"])
        counted = self.check(rows, resolved["target"], utterances, lineage=lineage)
        return resolved, {"missing_ids": len(trials) - len(resolved)} | counted

    def check(
        self, rows: NDArray[np.int64], target: pa.ChunkedArray, utterances: pa.Table, *, lineage: Lineage
    ) -> dict[str, int]:
        """Check the trials of two rows of ``utterances`` each, int64 ``[2, trials]``, otherwise as `apply`."""
        enroll, test = rows
        audio = audio_codes(utterances["sha256"])
        named = np.flatnonzero(np.bincount(rows.ravel(), minlength=len(utterances)))
        named_utterances = utterances.select(["utt_id", "speaker"]).take(named)
        flagged = self._check_against_training(named_utterances, audio[named], lineage)
        coded = utterances["speaker"].combine_chunks().dictionary_encode()
        _, person = np.unique([fold(each) for each in coded.dictionary.to_pylist()], return_inverse=True)
        speaker = np.append(person, UNKNOWN)[np.asarray(pc.fill_null(coded.indices, UNKNOWN))]
        for check, pairs in _offending_pairs(enroll, test, target, speaker=speaker, audio=audio).items():
            examples = (utterances["utt_id"].take(pair).to_pylist() for pair in pairs[:_MAX_NAMED_PAIRS])
            self._decide(check, len(pairs), "; ".join(map(" ".join, examples)))
            flagged[check] = len(pairs)
        return flagged

    def _check_against_training(
        self, utterances: pa.Table, audio: NDArray[np.int64], lineage: Lineage
    ) -> dict[str, int]:
        """Check what the utterances of the trials have in common with what was trained on."""
        seen = lineage.seen(utterances["speaker"].drop_null().unique().to_pylist())
        self._decide("shared_speakers", len(seen), spelled(seen))
        heard = lineage.heard(audio)
        ids = utterances["utt_id"].take(pa.array(list(heard), pa.int64())).to_pylist()
        self._decide("shared_audio", len(heard), spelled(dict(zip(ids, heard.values(), strict=True))))
        return {"shared_speakers": len(seen), "shared_audio": len(heard)}

    def _decide(self, check: str, num: int, examples: str) -> None:
        if num and getattr(self, check) == "refuse":
            rule, remedy = _RULES[check]
            raise ValueError(
                f"{rule.format(num)}, expected none. At {examples}. {remedy}, "
                f"or set trial_checks.{check}=flag to have them counted only."
            )


def nothing_left(num_trials: int, ids: pa.ChunkedArray) -> ValueError:
    """Return the error for a list of which the store has no trial."""
    return ValueError(
        f"no trial is left: got {num_trials} trials whose utterances the store lacks, expected some that it has. "
        f"At {some_of(ids)}. Prepare the corpus of the list; what could not be used of it is in its rejects."
    )


def _offending_pairs(
    enroll: NDArray[np.int64],
    test: NDArray[np.int64],
    target: pa.ChunkedArray,
    *,
    speaker: NDArray[np.int64],
    audio: NDArray[np.int64],
) -> dict[str, NDArray[np.int64]]:
    """Return the pairs of rows ``[pairs, 2]`` that each check objects to; they are compared as one integer each.

    ``speaker`` and ``audio`` have a number for the speaker and the samples of each row of the store.
    """
    num_utterances = len(speaker)
    pair = np.minimum(enroll, test) * num_utterances + np.maximum(enroll, test)
    known = np.asarray(pc.is_valid(target))
    heard = known & (speaker[enroll] != UNKNOWN) & (speaker[test] != UNKNOWN)
    answer = np.asarray(pc.fill_null(target, False))
    answered = np.sort((2 * pair + answer)[known])
    offending = {
        "self_trials": pair[enroll == test],
        "same_audio": pair[(enroll != test) & (audio[enroll] == audio[test])],
        "duplicates": _repeated(np.sort(pair)),
        "contradictions": _repeated(answered[np.diff(answered, prepend=-1) > 0] // 2),
        "wrong_answers": pair[heard & (answer != (speaker[enroll] == speaker[test]))],
    }
    return {check: np.stack(np.divmod(codes, num_utterances), axis=1) for check, codes in offending.items()}


def _repeated(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values that equal the one before them."""
    return ordered[1:][ordered[1:] == ordered[:-1]]
