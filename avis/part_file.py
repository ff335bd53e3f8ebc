"""Write one Parquet file as its rows arrive, never in memory whole, and read one with its checksums."""

import io
import tempfile
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from avis.digest import Hashing
from avis.foreign import check_parquet
from avis.location import open_file
from avis.storage_fault import StorageError

BYTES_IN_MEMORY = 16 << 20
"""From here on a file that is not finished waits on the disk, in the folder that ``TMPDIR`` names."""


class PartFile:
    """A Parquet file in the making; its bytes are the same however the rows are handed over.

    Attributes
    ----------
    file
        What was written, from where it stands; to be read after `finish`, inside the ``with`` block.
    rows, sink
        Rows handed over so far, and what tells the size and the digest of the file.
    """

    def __init__(self, schema: pa.Schema, *, row_group_rows: int) -> None:
        self.row_group_rows, self.rows = row_group_rows, 0
        self.file = tempfile.SpooledTemporaryFile(max_size=BYTES_IN_MEMORY)  # noqa: SIM115
        self.sink = Hashing(self.file)
        self._waiting = schema.empty_table()
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self.sink, mode="w"), schema, compression="zstd", write_page_checksum=True
        )

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()  # else it closes itself when it is collected, into a file that is closed
        finally:
            self.file.close()

    def write(self, rows: pa.Table) -> None:
        """Take rows; row groups that are full go to the file."""
        self.rows += len(rows)
        self._waiting = pa.concat_tables([self._waiting, rows])
        num_full = len(self._waiting) // self.row_group_rows * self.row_group_rows
        if num_full:
            self._writer.write_table(self._waiting.slice(0, num_full).combine_chunks(), self.row_group_rows)
            self._waiting = self._waiting.slice(num_full)

    def finish(self) -> dict[str, Any]:
        """Write what is left and return the file's entry in a manifest."""
        if len(self._waiting) or not self.rows:
            self._writer.write_table(self._waiting.combine_chunks(), self.row_group_rows)
        self._writer.close()
        return {"rows": self.rows, "bytes": self.sink.num_bytes, "sha256": self.sink.digest.hexdigest()}


def open_part(uri: str) -> pq.ParquetFile:
    """Open one Parquet part; pages are checked against their checksums as they are read.

    Raises
    ------
    ValueError
        If the file is no longer a Parquet file, or says that it holds more than it can.
    """
    try:
        file = open_file(uri)
        part = pq.ParquetFile(file, pre_buffer=True, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise corrupt_shard(uri, error) from error
    check_parquet(part, file.seek(0, io.SEEK_END), uri)
    return part


def corrupt_shard(uri: str, error: Exception) -> Exception:
    """Return the error for a part whose bytes are no longer what was written; one of the storage stays what it is."""
    if isinstance(error, StorageError) or (isinstance(error, OSError) and error.errno is not None):
        return error
    return ValueError(
        f"corrupt shard: got {str(error).splitlines()[0]!r}, expected a Parquet file as it was written. At {uri}. "
        "Delete its store and make it again."
    )


def read_row_group(part: pq.ParquetFile, uri: str, index: int, columns: list[str]) -> pa.Table:
    """Read some columns of one row group.

    Raises
    ------
    ValueError
        If the bytes do not match their checksum.
    """
    try:
        return part.read_row_group(index, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise corrupt_shard(uri, error) from error
