"""Write a scores table that was made of others."""

from typing import Any

import pyarrow as pa

from avis import store
from avis.digest import fingerprint, table_digest
from avis.evaluation.score_table import TRIALS_PER_PART


def write_scores(table: pa.Table, place: str, facts: dict[str, Any]) -> str:
    """Write a table of the columns of `avis.schema.SCORES` and more, unless it is there, and return where.

    Parameters
    ----------
    table : pyarrow.Table
    place : str
        Path or URI, but for the digest of table and facts that ends its name.
    facts : dict
        What its manifest says of it.
    """
    inputs = fingerprint([table_digest(table), facts])
    uri = f"{place}-{inputs}"
    if not store.finished(uri, inputs):
        store.commit_part(uri, "part-00000", {"scores": table}, row_group_rows=TRIALS_PER_PART)
        store.finish(uri, parts=["part-00000"], inputs=inputs, facts=facts)
    return uri
