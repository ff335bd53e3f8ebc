"""Read trial lists in the formats they are published in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.foreign import read_parquet
from avis.location import read_bytes
from avis.names import is_text, names
from avis.schema import TRIALS
from avis.scoring.trial_text import Format, Source, as_answers, named_columns, read_text
from avis.storage_fault import StorageError

FORMATS = (
    "'<0|1> <enroll> <test>' (VoxCeleb), '<enroll> <test> <target|nontarget>' (Kaldi, NIST key), <tgt|imp> (VOiCES) or "
    "<0|1> (CN-Celeb), '<enroll> <test>' (NIST ndx), or CSV, TSV or Parquet with columns enroll, test, target (or "
    "label, key, is_target) or NIST's modelid, segmentid, targettype"
)

TRIAL_LIST = Format(
    what="trial list",
    layouts=(("target", "enroll", "test"), ("enroll", "test", "target"), ("enroll", "test")),
    columns=tuple(TRIALS.names),
    expected=FORMATS,
)


def read_trials(path: str | Path) -> pa.Table:
    """Read a trial list; the format follows from its content, not its name.

    Parameters
    ----------
    path : str or Path
        File or URI (``s3://``, ``gs://``) holding one of:

        - VoxCeleb lines ``<0|1> <enroll> <test>``;
        - Kaldi or NIST key lines ``<enroll> <test> <target|nontarget>``, VOiCES ones ``<enroll> <test> <tgt|imp>``;
        - NIST ndx lines ``<enroll> <test>``, without answers;
        - CSV (comma or tab, with a header) or Parquet with columns ``enroll``, ``test`` and, where the answers are
          known, ``target`` (or ``label``, ``key``, ``is_target``), or with NIST's ``modelid``, ``segmentid`` and
          ``targettype`` (SRE16 to SRE21).

        Columns may be spelled as in `avis.scoring.trial_text.SPELLINGS`; an answer is one of ``ANSWERS`` there, in any
        case.

    Returns
    -------
    pyarrow.Table
        Columns of `avis.schema.TRIALS`, then every other column of a table as a condition, in file order. Names and
        conditions of text are as `avis.names` has them.

    Raises
    ------
    ValueError
        If the file cannot be read, the format is none of these or may be two of them, a line is malformed, or there is
        no trial.
    """
    name = str(path)
    try:
        data = read_bytes(name)
    except StorageError:
        raise
    except OSError as error:
        raise ValueError(
            f"trial list cannot be read: got {error.strerror or error}, expected a file. At {name}. "
            "Correct trials=<path>."
        ) from error
    try:
        trials = _from_parquet(data, name) if data[:4] == b"PAR1" else _from_table(*read_text(data, name, TRIAL_LIST))
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"trial list cannot be parsed: got {str(error).splitlines()[0]!r}, expected a whole table. At {name}. "
            "Write it again."
        ) from error
    if trials.num_rows == 0:
        raise ValueError(
            f"A trial list has trials: got trials=0, expected at least one. At {name}. Check that the file is whole."
        )
    return trials


def check_both_kinds(trials: pa.Table, *, where: str) -> None:
    """Raise ValueError where all known answers are alike: no error rate can be had from such a list."""
    known = trials["target"].drop_null()
    num_target = pc.sum(known).as_py() or 0
    if len(known) and num_target in (0, len(known)):
        raise ValueError(
            f"Error rates need both kinds of trial: got num_target={num_target} and "
            f"num_nontarget={len(known) - num_target}, expected at least one of each. At {where}. "
            "Add the missing kind, or leave every answer empty if none is known."
        )


def _from_parquet(data: bytes, name: str) -> pa.Table:
    table = read_parquet(data, name)
    table = table.rename_columns(named_columns(table.column_names, TRIAL_LIST.columns, at=f"At {name}."))
    return _from_table(table, Source(name, "row", np.arange(1, table.num_rows + 1)))


def _from_table(table: pa.Table, source: Source) -> pa.Table:
    """Bring a table's columns into the order and types of `TRIALS`, keeping the others after them."""
    columns = table.column_names
    if not {"enroll", "test"} <= set(columns) or len(set(columns)) < len(columns):
        raise ValueError(
            f"A table of trials has columns enroll, test and target once each: got columns={columns}, expected "
            f"{FORMATS}. At {source.path}."
        )
    target = table["target"] if "target" in columns else pa.nulls(table.num_rows, pa.bool_())
    ids = {column: names(table[column], where=f"{source.path} column {column}") for column in ("enroll", "test")}
    for column, values in ids.items():
        if values.null_count:
            row = int(np.argmax(np.asarray(pc.is_null(values))))
            raise ValueError(f"Every trial has two ids: got an empty {column}, expected an utterance. {source.at(row)}")
    trials = pa.Table.from_arrays([*ids.values(), as_answers(target, at=source.at)], schema=TRIALS)
    for condition in (column for column in columns if column not in TRIALS.names):
        values = table[condition]
        if is_text(values.type):
            values = names(values, where=f"{source.path} column {condition}")
        trials = trials.append_column(condition, values)
    return trials
