"""Find the trials of one list in another by their two sides."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.names import names
from avis.scoring.trial_ids import AUDIO_SUFFIX

PAIR = ("enroll", "test")


def matching_rows(ours: pa.Table, theirs: pa.Table, uri: str, *, whose: str = "the baseline") -> np.ndarray:
    """Return where each trial of one table is in the other, by its two sides.

    If these are not the same names, audio suffixes don't count: SpeechBrain leaves them out of its scores. Of trials
    that are listed repeatedly, the first is the other's first, the second its second, and so on.

    Raises
    ------
    ValueError
        If a trial is in one table alone, or in one more often; ``uri`` says where the other table is, and ``whose`` it
        is.
    """
    for bare in (False, True):
        mine, other = _pair_numbers(ours, theirs, bare=bare)
        order, other_order = (np.argsort(numbers, kind="stable") for numbers in (mine, other))
        same = np.array_equal(mine[order], other[other_order])
        if same:
            break
    if not same:
        (pairs, counts), (other_pairs, other_counts) = (np.unique(side, return_counts=True) for side in (mine, other))
        _, at, other_at = np.intersect1d(pairs, other_pairs, assume_unique=True, return_indices=True)
        shared = np.minimum(counts[at], other_counts[other_at]).sum()
        raise ValueError(
            f"other trials in {whose}: got {shared} trials in both, expected all of {len(ours)} and "
            f"{len(theirs)}. At {uri}. Score one trial list with all systems."
        )
    rows = np.empty(len(ours), dtype=np.int64)
    rows[order] = other_order
    return rows


def _pair_numbers(ours: pa.Table, theirs: pa.Table, *, bare: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for the two sides of each trial, the same in both tables, without audio suffixes or with them."""
    numbers = np.zeros(len(ours) + len(theirs), dtype=np.int64)
    for side in PAIR:
        chunks = [names(table[side], where=f"scores, column {side}").chunks for table in (ours, theirs)]
        both = pa.chunked_array([*chunks[0], *chunks[1]], pa.string())
        both = pc.replace_substring_regex(both, AUDIO_SUFFIX, "") if bare else both
        coded = both.dictionary_encode(null_encoding="encode").combine_chunks()
        numbers = numbers * len(coded.dictionary) + coded.indices.to_numpy()
    return numbers[: len(ours)], numbers[len(ours) :]
