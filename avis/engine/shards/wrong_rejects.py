"""Find the recordings that an earlier version rejected because their storage failed, so that they are made again."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avis import store
from avis.schema import REJECTS

FAULT = "cannot read file: got "
"""How the detail of a reject began that may have been a fault of the storage; no reject is worded so any more."""


def wrong_rejects(uri: str, files: Mapping[str, dict[str, Any]], sources: pa.Table) -> set[tuple[str, str]]:
    """Return id and path of recordings that were rejected for such a fault, and are there now.

    Parameters
    ----------
    uri, files
        A store and files of it, as in a manifest.
    sources : pyarrow.Table
        Columns ``path`` and ``size_bytes``, as they were just listed.
    """
    parts = [file for file, info in sorted(files.items()) if file.startswith("rejects/") and info["rows"]]
    tables = [store.open_part(store.file_uri(uri, file, files[file])).read() for file in parts]
    rejects = pa.concat_tables([REJECTS.empty_table(), *tables])
    suspects = rejects.filter(pc.starts_with(rejects["detail"], FAULT))
    there = sources["path"].filter(pc.greater_equal(sources["size_bytes"], 0))
    wrong = suspects.filter(pc.is_in(suspects["path"], value_set=there.combine_chunks()))
    return set(zip(wrong["utt_id"].to_pylist(), wrong["path"].to_pylist(), strict=True))
