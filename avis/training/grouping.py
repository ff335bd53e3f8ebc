"""Group the utterances of a block by speaker, for losses that compare utterances of a batch."""

from collections.abc import Sequence

import pyarrow as pa

DRAWN_BY, SPEED_DRAWN_BY = "drawn_by", "speed_drawn_by"
"""Names of what an example's crop and augmentation, and its speed, are drawn by."""


def in_groups(rows: pa.Table, size: int) -> pa.Table:
    """Order rows of the utterances table so that ``size`` in turn are of one speaker, as `speaker_groups` has it.

    The rows of a group draw one speed, that of the first, since a voice at another speed is another speaker. A row
    that comes again draws another crop and another augmentation.

    >>> rows = pa.table({"utt_id": ["u1", "u2"], "speaker": ["a", "b"]})
    >>> in_groups(rows, 2)["drawn_by"].to_pylist()
    ['u1', 'u1 again 1']
    """
    if size == 1:
        return rows
    names, visits = rows["utt_id"].to_pylist(), [0] * len(rows)
    positions, drawn_by, speed_drawn_by = [], [], []
    for group in speaker_groups(rows["speaker"].to_pylist(), size):
        speed_drawn_by += [_visit(names, visits, group[0])] * size
        for position in group:
            drawn_by.append(_visit(names, visits, position))
            visits[position] += 1
        positions += group
    grouped = rows.take(pa.array(positions, pa.int64()))
    grouped = grouped.append_column(DRAWN_BY, pa.array(drawn_by, pa.string()))
    return grouped.append_column(SPEED_DRAWN_BY, pa.array(speed_drawn_by, pa.string()))


def _visit(names: list[str], visits: list[int], position: int) -> str:
    again = f" again {visits[position]}" if visits[position] else ""
    return f"{names[position]}{again}"


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
