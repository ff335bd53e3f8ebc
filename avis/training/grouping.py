"""Group the utterances of a block by speaker, for losses that compare utterances of a batch."""

from collections.abc import Sequence
from typing import Any

DRAWN_BY, SPEED_DRAWN_BY = "drawn_by", "speed_drawn_by"
"""Names of what an example's crop and augmentation, and its speed, are drawn by."""


def in_groups(rows: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Order rows of the utterances table so that ``size`` in turn are of one speaker, as `speaker_groups` has it.

    The rows of a group draw one speed, that of the first, since a voice at another speed is another speaker. A row
    that comes again draws another crop and another augmentation.

    >>> rows = [{"utt_id": "u1", "speaker": "a"}, {"utt_id": "u2", "speaker": "b"}]
    >>> [row["drawn_by"] for row in in_groups(rows, 2)]
    ['u1', 'u1 again 1']
    """
    if size == 1:
        return rows
    visits = [0] * len(rows)
    grouped = []
    for group in speaker_groups([row["speaker"] for row in rows], size):
        speed_drawn_by = _visit(rows, visits, group[0])
        for position in group:
            drawn_by = _visit(rows, visits, position)
            visits[position] += 1
            grouped.append(rows[position] | {DRAWN_BY: drawn_by, SPEED_DRAWN_BY: speed_drawn_by})
    return grouped


def _visit(rows: list[dict[str, Any]], visits: list[int], position: int) -> str:
    again = f" again {visits[position]}" if visits[position] else ""
    return f"{rows[position]['utt_id']}{again}"


def speaker_groups(speakers: Sequence[str], size: int) -> list[list[int]]:
    """Return groups of positions, each of one speaker: as many positions in all as there are speakers given.

    A speaker's utterances are taken in their order. What does not fill a group is filled up with others of the
    speaker, or the same again where there are too few; since that adds positions, as many are left out, of the groups
    that would need the most filling. A speaker's second group comes after the first of all others, so that a batch
    meets many speakers.

    Parameters
    ----------
    speakers : sequence of str
        Of the utterances in turn; a multiple of ``size``.
    size : int
        Positions per group.

    Examples
    --------
    >>> speaker_groups(["a", "a", "b", "a", "c", "b"], 2)
    [[0, 1], [2, 5], [3, 0]]
    >>> speaker_groups(["a", "b"], 2)
    [[0, 0]]
    """
    assert len(speakers) % size == 0, f"{len(speakers)} utterances are not groups of {size}"
    positions: dict[str, list[int]] = {}
    for position, speaker in enumerate(speakers):
        positions.setdefault(speaker, []).append(position)
    groups = []
    for mine in positions.values():
        for round_ in range(-(-len(mine) // size)):
            start = round_ * size
            members = [mine[place % len(mine)] for place in range(start, start + size)]
            groups.append((max(0, start + size - len(mine)), round_, members))
    whole = sorted(groups, key=lambda group: group[0])[: len(speakers) // size]
    return [members for _, _, members in sorted(whole, key=lambda group: group[1])]
