"""What the recordings of a part come to per person, ready to be compared, and kept so as to be mapped into memory."""

import datetime
import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis import location, store
from avis.checkpoints.fitted_state import state_bytes
from avis.schema import enrolled_schema
from avis.scoring.enrolment import model_means
from avis.verifier.comparison import Comparison, Sides

COMPARED_BY = b"compared_by"


@dataclass(frozen=True)
class People:
    """The people of a part, as long as their recordings are kept.

    Attributes
    ----------
    names : pyarrow.Array [people]
    sides : Sides
    holds_until : datetime.date
        The day after which they are others.
    """

    names: pa.Array
    sides: Sides
    holds_until: datetime.date

    @property
    def holds(self) -> bool:
        """Whether they are still these."""
        return self.holds_until >= today()


class PeopleMaker:
    """Makes the people of recordings, and keeps them in files.

    Parameters
    ----------
    comparison : Comparison
        What they are compared by; files that another one made are not read.
    dim : int
        Of the embeddings.
    """

    def __init__(self, comparison: Comparison, dim: int) -> None:
        self.comparison, self.dim = comparison, dim
        settings = json.dumps(dict(comparison.settings), sort_keys=True).encode()
        self._compared_by = hashlib.sha256(settings + state_bytes(comparison.backend)).hexdigest().encode()
        self._schema = self._index(enrolled_schema(dim).empty_table()).schema

    def of(self, rows: pa.Table) -> People:
        """Return the people of recordings, sorted by speaker, as long as these are kept."""
        return self._people(self._index(rows))

    def read(self, uri: str) -> People | None:
        """Return the people that a file keeps; None unless it is whole, for this comparison, and holds still."""
        try:
            source = pa.BufferReader(location.read_bytes(uri)) if location.is_uri(uri) else pa.memory_map(uri)
            index = pa.ipc.open_file(source).read_all()
            index.validate(full=True)
        except (FileNotFoundError, IsADirectoryError, pa.ArrowInvalid):
            return None
        if not index.schema.equals(self._schema, check_metadata=True):
            return None
        people = self._people(index)
        return people if people.holds else None

    def write(self, uri: str, rows: pa.Table) -> None:
        """Keep the people of recordings in a file."""
        index, buffer = self._index(rows), io.BytesIO()
        with pa.ipc.new_file(buffer, index.schema) as writer:
            writer.write_table(index.combine_chunks())
        store.write_bytes(uri, buffer.getvalue())

    def _people(self, index: pa.Table) -> People:
        measures = [index[name].to_numpy() for name in self.comparison.measures]
        sides = Sides(
            matrix(index["vector"]),
            np.column_stack(measures) if measures else np.zeros((len(index), 0), np.float32),
        )
        until = pc.min(index["keep_until"]).as_py() or datetime.date.max
        return People(index["speaker"].combine_chunks(), sides, until)

    def _index(self, rows: pa.Table) -> pa.Table:
        """Return what recordings, sorted by speaker, come to per person, as long as they are kept.

        That is the mean of their embeddings and of their seconds of speech: a calibration on single recordings has seen
        none of several times as much, of which it would think less and less of people with many.
        """
        rows = rows.filter(is_kept(rows, today())).combine_chunks()
        names = rows["speaker"].combine_chunks().dictionary_encode()
        offsets = np.searchsorted(names.indices.to_numpy(), np.arange(len(names.dictionary) + 1))
        until = rows.group_by("speaker", use_threads=False).aggregate([("keep_until", "min")])["keep_until_min"]
        columns = {"speaker": names.dictionary, "keep_until": until}
        if len(rows):
            speech_s = np.add.reduceat(rows["speech_s"].to_numpy(), offsets[:-1]) / np.diff(offsets)
            sides = self.comparison.sides(model_means(matrix(rows["embedding"]), offsets), speech_s)
        else:
            sides = self._nobody()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(sides.vectors.ravel()), sides.vectors.shape[1])
        columns |= {name: pa.array(sides.measures[:, at]) for at, name in enumerate(self.comparison.measures)}
        return pa.table({**columns, "vector": vectors}).replace_schema_metadata({COMPARED_BY: self._compared_by})

    def _nobody(self) -> Sides:
        one = self.comparison.sides(np.ones((1, self.dim), np.float32), np.ones(1))
        return Sides(one.vectors[:0], one.measures[:0])


def today() -> datetime.date:
    """Return the day by which recordings are kept: that of UTC."""
    return datetime.datetime.now(datetime.timezone.utc).date()


def is_kept(rows: pa.Table, day: datetime.date) -> pa.ChunkedArray:
    """Tell which recordings may be kept on a day."""
    return pc.fill_null(pc.greater_equal(rows["keep_until"], pa.scalar(day)), True)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return a column of lists of one size as float32 ``[rows, size]``, without a copy where it is in one piece."""
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(whole.flatten()).reshape(-1, column.type.list_size)
