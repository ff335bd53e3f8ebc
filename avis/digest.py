"""Tell data apart by short hashes of their content."""

import hashlib
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FINGERPRINT_DIGITS = 12
DIGEST_ROWS = 1_000_000
"""Rows of a table that are hashed together, so that a large one is not copied whole."""


class Hashing(io.RawIOBase):
    """Hash what is written, and pass it on to a file if there is one."""

    def __init__(self, file: Any = None) -> None:
        self.digest, self.file, self.num_bytes = hashlib.sha256(), file, 0

    def writable(self) -> bool:
        """Say so."""
        return True

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self.num_bytes

    def write(self, data: Any) -> int:
        """Take all of the bytes."""
        self.digest.update(data)
        if self.file is not None:
            self.file.write(data)
        num_bytes = memoryview(data).nbytes
        self.num_bytes += num_bytes
        return num_bytes


def fingerprint(value: Any) -> str:
    """Return a short stable hash of plain data (dicts, lists, strings, numbers, None)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def table_digest(table: pa.Table) -> str:
    """Return the SHA-256 of a table's content in Arrow's IPC form; equal tables have equal digests."""
    sink = Hashing()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        for start in range(0, max(1, table.num_rows), DIGEST_ROWS):
            writer.write_table(table.slice(start, DIGEST_ROWS).combine_chunks())
    return sink.digest.hexdigest()


def array_digest(values: NDArray) -> str:
    """Return the SHA-256 of an array's content."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
