"""Embeddings are written as the formats say, byte by byte where these are binary."""

from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from avis import location
from avis.embedding_file import write_embeddings

IDS = ["a", "über/b"]
VECTORS = np.array([[1.0, -2.5, 0.1], [0.0, 3.0, 1e-20]], np.float32)


def test_kaldis_archive_is_what_kaldi_reads(tmp_path: Path):
    r"""Kaldi's ``WriteToken`` and ``WriteBasicType``: ``key \0B FV \4<int32 size>`` and little-endian floats."""
    script = write_embeddings(IDS, VECTORS, str(tmp_path), "x", format="kaldi")
    archive = (tmp_path / "x.ark").read_bytes()
    first = b"a \x00BFV \x04\x03\x00\x00\x00" + bytes.fromhex("0000803f 000020c0 cdcccc3d")
    second = "über/b ".encode() + b"\x00BFV \x04\x03\x00\x00\x00" + VECTORS[1].tobytes()
    assert archive == first + second
    assert Path(script).read_text().splitlines() == [
        f"a {tmp_path}/x.ark:2",
        f"über/b {tmp_path}/x.ark:{len(first) + len('über/b '.encode())}",
    ]


def test_tables_and_arrays_are_read_back(tmp_path: Path):
    files = {
        name: write_embeddings(IDS, VECTORS, str(tmp_path), "x", format=name) for name in ("parquet", "npz", "csv")
    }
    table = pq.read_table(files["parquet"])
    assert table["utt_id"].to_pylist() == IDS
    np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), VECTORS)
    arrays = np.load(files["npz"], allow_pickle=False)
    assert arrays["ids"].tolist() == IDS
    assert arrays["embeddings"].dtype == np.float32
    np.testing.assert_array_equal(arrays["embeddings"], VECTORS)
    rows = pyarrow.csv.read_csv(files["csv"])
    assert rows.column_names == ["utt_id", "e0", "e1", "e2"]
    np.testing.assert_array_equal(np.column_stack([rows[f"e{i}"].to_numpy() for i in range(3)]).astype("f4"), VECTORS)


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="unknown format: got format='hdf5', expected one of parquet, npz, csv, kaldi"):
        write_embeddings(IDS, VECTORS, str(tmp_path), "x", format="hdf5")
    with pytest.raises(ValueError, match=r"ids without blanks: got 1 ids .* At 'b c' for one"):
        write_embeddings(["a", "b c"], VECTORS, str(tmp_path), "x", format="kaldi")
    assert not list(tmp_path.iterdir())


def test_they_lie_at_a_uri_with_options_too(s3: str):
    script = write_embeddings(IDS, VECTORS, f"s3://speech/embedded{s3}", "x", format="kaldi")
    assert script == f"s3://speech/embedded/x.scp{s3}"
    assert location.read_bytes(script).decode().startswith(f"a s3://speech/embedded/x.ark{s3}:2\n")
    assert location.read_bytes(f"s3://speech/embedded/x.ark{s3}").startswith(b"a \0BFV ")
