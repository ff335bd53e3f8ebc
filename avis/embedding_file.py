"""Embeddings as a file that other tools read."""

import io
import re
import struct
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avis import location, store

BINARY, FLOAT_VECTOR, SIZE_OF_INT32 = b"\0B", b"FV ", b"\4"
"""What begins a vector in Kaldi's binary form: ``BaseFloat`` is float32, sizes are marked with their own size."""


def write_embeddings(ids: list[str], vectors: NDArray[np.float32], folder: str, name: str, *, format: str) -> str:
    """Write embeddings and return the file that others are given.

    Parameters
    ----------
    ids : list of str [utterances]
    vectors : float32 [utterances, dim]
    folder : str
        Path or URI, absolute.
    name : str
        Of the file, without its suffix.
    format : str
        ``parquet`` (columns ``utt_id``, ``embedding``), ``npz`` (arrays ``ids`` and ``embeddings``, without pickles),
        ``csv`` (columns ``utt_id``, ``e0``, ``e1``, ...), or ``kaldi``: an archive of float vectors, and the ``.scp``
        that says where each begins.

    Raises
    ------
    ValueError
        If the format is unknown or cannot hold an id.

    References
    ----------
    https://kaldi-asr.org/doc/io.html and ``Vector::Write`` of Kaldi's ``matrix/kaldi-vector.cc`` (archives).
    """
    check_format(format, ids)
    suffix, write = WRITERS[format]
    files = write(ids, vectors, location.join(folder, f"{name}.ark"))
    for ending, data in files.items():  # the last one says that all are there
        store.write_bytes(location.join(folder, f"{name}.{ending}"), data)
    return location.join(folder, f"{name}.{suffix}")


def check_format(format: str, ids: list[str]) -> None:
    """Raise ValueError where a format is unknown or cannot hold an id."""
    if format not in WRITERS:
        raise ValueError(
            f"unknown format: got format={format!r}, expected one of {', '.join(WRITERS)}. At format. Choose one."
        )
    blanks = [name for name in ids if re.search(r"\s", name, re.ASCII)]
    if format == "kaldi" and blanks:
        raise ValueError(
            f"ids without blanks: got {len(blanks)} ids with one, expected none, since a blank ends an id in Kaldi's "
            f"files. At {blanks[0]!r} for one. Choose another format, or name the recordings otherwise."
        )
    no_text = [name for name in ids if re.search("[\ud800-\udfff]", name)]
    if format != "npz" and no_text:
        raise ValueError(
            f"name is no text: got {no_text[0]!r}, expected UTF-8, as {format} does. At the recordings. Rename it, or "
            "write .npz."
        )


def _parquet(ids: list[str], vectors: NDArray[np.float32], ark: str) -> dict[str, bytes]:
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"utt_id": ids, "embedding": column}), sink, compression="zstd")
    return {"parquet": sink.getvalue().to_pybytes()}


def _npz(ids: list[str], vectors: NDArray[np.float32], ark: str) -> dict[str, bytes]:
    sink = io.BytesIO()
    np.savez(sink, ids=np.array(ids, np.str_), embeddings=vectors)
    return {"npz": sink.getvalue()}


def _csv(ids: list[str], vectors: NDArray[np.float32], ark: str) -> dict[str, bytes]:
    values = {f"e{number}": column for number, column in enumerate(vectors.T)}
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(pa.table({"utt_id": ids, **values}), sink)
    return {"csv": sink.getvalue().to_pybytes()}


def _kaldi(ids: list[str], vectors: NDArray[np.float32], ark: str) -> dict[str, bytes]:
    archive, script = io.BytesIO(), io.StringIO()
    head = BINARY + FLOAT_VECTOR + SIZE_OF_INT32 + struct.pack("<i", vectors.shape[1])
    for name, vector in zip(ids, vectors.astype("<f4"), strict=True):
        archive.write(f"{name} ".encode())
        script.write(f"{name} {ark}:{archive.tell()}\n")
        archive.write(head + vector.tobytes())
    return {"ark": archive.getvalue(), "scp": script.getvalue().encode()}


Writer = Callable[[list[str], NDArray[np.float32], str], Mapping[str, bytes]]
WRITERS: dict[str, tuple[str, Writer]] = {
    "parquet": ("parquet", _parquet),
    "npz": ("npz", _npz),
    "csv": ("csv", _csv),
    "kaldi": ("scp", _kaldi),
}
"""By format: the suffix of the file that others are given, and what returns files by their suffixes."""
