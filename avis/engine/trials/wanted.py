"""Read what is wanted of one part of a store."""

from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from avis import store


def read_wanted(uri: str, wanted: Collection[str], columns: list[str]) -> Iterator[pa.Table]:
    """Read the row groups that hold wanted utterances, one after the other, each whole; others are passed over.

    What reading took is given back: with hours of audio in a group it is four times its size.

    Parameters
    ----------
    uri : str
        The part.
    wanted : collection of str
        Ids of utterances.
    columns : list of str
        ``utt_id`` among them.
    """
    ids = pa.array(sorted(wanted), pa.string())
    part = store.open_part(uri)
    for index in range(part.num_row_groups):
        held = store.read_row_group(part, uri, index, ["utt_id"])["utt_id"]
        if pc.any(pc.is_in(held, value_set=ids)).as_py():
            group = store.read_row_group(store.open_part(uri), uri, index, columns)
            pa.default_memory_pool().release_unused()
            yield group
