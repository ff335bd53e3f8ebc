"""Enrolment models of several utterances: which utterances a trial's ``enroll`` stands for."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from avis.foreign import read_parquet
from avis.location import read_bytes
from avis.names import names
from avis.schema import ENROLMENTS
from avis.storage_fault import StorageError

_MAX_NAMED = 10


def read_enrolments(path: str | Path) -> pa.Table:
    """Read a table of enrolment models.

    Parameters
    ----------
    path : str or Path
        File or URI holding CSV (with a header) or Parquet with columns ``enroll_model`` and ``utt_id``: a row for each
        utterance of each model; or lines of a model and its utterances, as Kaldi's ``spk2utt`` and CN-Celeb's
        ``enroll.map`` are.

    Returns
    -------
    pyarrow.Table
        Enrolment models in schema `avis.schema.ENROLMENTS`, with names as `avis.names` has them, sorted by model.

    Raises
    ------
    ValueError
        If the file cannot be read, a column is missing, a value is empty, or an utterance is twice in a model.
    """
    name = str(path)
    try:
        data = read_bytes(name)
        table = read_parquet(data, name) if data[:4] == b"PAR1" else _from_text(data)
        columns = [names(table[column], where=f"{name} column {column}") for column in ENROLMENTS.names]
        table = pa.Table.from_arrays(columns, ENROLMENTS.names)
    except StorageError:
        raise
    except (OSError, KeyError, pa.ArrowInvalid, ValueError) as error:
        raise ValueError(
            f"enrolment models cannot be read: got {str(error).splitlines()[0]!r}, expected CSV or Parquet with "
            f"columns {', '.join(ENROLMENTS.names)}, or lines of a model and its utterances. At {name}. "
            "Correct enrolments=<path>."
        ) from error
    for column in ENROLMENTS.names:
        if table[column].null_count:
            raise ValueError(
                f"Every row of a model has an utterance: got an empty {column}, expected an id. At {name}. Fill it in."
            )
    counted = table.group_by(ENROLMENTS.names).aggregate([([], "count_all")])
    twice = counted.filter(pc.greater(counted["count_all"], 1))
    if len(twice):
        raise ValueError(
            f"An utterance counts once in a model: got {len(twice)} repeated rows, expected none. "
            f"At {name}, {twice['enroll_model'][0]} and {twice['utt_id'][0]} for one. Remove the repetition."
        )
    return table.cast(ENROLMENTS).sort_by([("enroll_model", "ascending"), ("utt_id", "ascending")])


def _from_text(data: bytes) -> pa.Table:
    """Parse lines ``model utt_id utt_id ...``, or CSV, whose header is of one word or names a column."""
    lines = [words for line in data.decode("utf-8-sig").splitlines() if (words := line.split())]
    if not lines or len(lines[0]) == 1 or any(column in word for column in ENROLMENTS.names for word in lines[0]):
        text = pa.csv.ConvertOptions(column_types=dict.fromkeys(ENROLMENTS.names, pa.string()))
        return pa.csv.read_csv(pa.BufferReader(data), convert_options=text)
    alone = [model for model, *utt_ids in lines if not utt_ids]
    if alone:
        raise ValueError(f"a model without utterances, {alone[0]}")
    pairs = [(model, utt_id) for model, *utt_ids in lines for utt_id in utt_ids]
    return pa.table([pa.array(column) for column in zip(*pairs, strict=True)], names=ENROLMENTS.names)


def expand(trials: pa.Table, enrolments: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace each trial of a model by the trials of its utterances.

    Parameters
    ----------
    trials : pyarrow.Table
        Trials whose column ``enroll`` names models.
    enrolments : pyarrow.Table
        See `read_enrolments`.

    Returns
    -------
    member, trial : int64 [pairs]
        The rows of ``enrolments`` and of ``trials`` that a pair is made of; the pairs of a trial follow each other.

    Raises
    ------
    ValueError
        If a trial names a model that is not among the enrolments.

    Examples
    --------
    >>> models = pa.table({"enroll_model": ["l", "m", "m"], "utt_id": ["z", "a", "b"]})
    >>> member, trial = expand(pa.table({"enroll": ["m"]}), models)
    >>> member.tolist(), trial.tolist()
    ([1, 2], [0, 0])
    """
    counts = enrolments["enroll_model"].combine_chunks().value_counts()
    model = pc.index_in(trials["enroll"], value_set=counts.field("values"))
    missing = pc.unique(trials["enroll"].filter(pc.is_null(model)))
    if len(missing):
        raise ValueError(
            f"Trials name enrolment models: got {len(missing)} unknown models, expected those of enrolments. "
            f"At {', '.join(missing[:_MAX_NAMED].to_pylist())}. Add them, or give enrolments=null."
        )
    sizes = counts.field("counts").to_numpy()
    model_of_trial = model.to_numpy()
    sizes_of_trial = sizes[model_of_trial]
    trial = np.repeat(np.arange(len(trials)), sizes_of_trial)
    within = np.arange(len(trial)) - np.repeat(np.cumsum(sizes_of_trial) - sizes_of_trial, sizes_of_trial)
    return np.repeat((np.cumsum(sizes) - sizes)[model_of_trial], sizes_of_trial) + within, trial


def model_means(embeddings: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the embeddings of enrolment models: the mean of the rows from each offset to the next.

    >>> model_means(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32), np.array([0, 2, 3])).tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """
    return (np.add.reduceat(embeddings, offsets[:-1], axis=0) / np.diff(offsets)[:, None]).astype(np.float32)
