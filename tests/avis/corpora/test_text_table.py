"""Tables that somebody wrote, whole and broken."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis.corpora.files import ROWS_AT_ONCE
from avis.corpora.text_table import read_text_table


def rows_of(path: Path) -> list[dict[str, str]]:
    return [row for batch in read_text_table(str(path), required=("path", "speaker")) for row in batch.to_pylist()]


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_come_in_batches_and_faults_keep_their_number(tmp_path: Path, suffix: str) -> None:
    faulty = ROWS_AT_ONCE + 6
    rows = [(f"{number}.wav", "s" if number != faulty else "") for number in range(faulty + 2)]
    file = tmp_path / f"list.{suffix}"
    match suffix:
        case "csv":
            file.write_text("path,speaker\n" + "".join(f"{path},{speaker}\n" for path, speaker in rows))
        case "jsonl":
            file.write_text("".join(f'{{"path": "{path}", "speaker": "{speaker}"}}\n' for path, speaker in rows))
        case "parquet":
            paths, speakers = zip(*rows, strict=True)
            pq.write_table(pa.table({"path": paths, "speaker": speakers}), file)
    with pytest.raises(ValueError, match=rf"empty value: got speaker=''.*list\.{suffix} row {faulty + 1}\."):
        rows_of(file)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.csv", b'path,speaker\na.wav,s\n"b.wav,s\nc.wav,s\n', r"row is no CSV: got 'unexpected end.*line 3\."),
        ("x.csv", b'path,speaker\n"a"b.wav,s\n', r"row is no CSV: .*line 2\."),
        ("x.csv", b"path,speaker\na.wav,s\ncaf\xe9.wav,s\n", r"text is no UTF-8: got b'caf\\xe9', .*line 3\."),
        ("x.csv", "path,speaker\na.wav,s\n".encode("utf-16"), r"text is no UTF-8: .*line 1\. Save the file as UTF-8"),
        ("x.csv", b"path,speaker\na.wav,s\nb\0.wav,s\n", r"zero byte in a value: got path='b\\x00\.wav'.*row 2\."),
        ("x.csv", b"path,speaker,speaker\na.wav,s,t\n", "column twice: .*expected speaker once"),
        ("x.jsonl", b'{"path": "a.wav", "speaker": "s"}\n{"path": "\xff"}\n', r"text is no UTF-8: .*line 2\."),
        ("x.jsonl", b'{"path": "\\ud800.wav", "speaker": "s"}\n', r"line is no JSON: .*surrogates.*line 1\."),
        ("x.jsonl", b"[" * 100_000, r"line is no JSON: .*recursion.*line 1\."),
        ("x.jsonl", b'{"path": "a.wav", "speaker": ' + b"9" * 5000 + b"}", r"line is no JSON: .*digits"),
        ("x.parquet", b"", "not a Parquet table of text"),
        ("x.parquet", b"path,speaker\na.wav,s\n", r"not a Parquet table of text: got 'Parquet magic bytes"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message) as raised:
        rows_of(tmp_path / name)
    assert type(raised.value) is ValueError


def test_parquet_that_holds_other_than_text_and_numbers(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"path": ["a.wav"], "speaker": ["s"], "embedding": [[0.5]]}), file)
    with pytest.raises(ValueError, match="columns of lists: got embedding"):
        rows_of(file)
    latin = pa.array([b"a.wav", b"caf\xe9.wav"], pa.binary())
    for kind in (pa.string(), pa.binary()):
        pq.write_table(pa.table({"path": latin.view(kind), "speaker": ["s", "s"]}), file)
        with pytest.raises(ValueError, match="not a Parquet table of text: got 'Invalid UTF8"):
            rows_of(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"not a Parquet table of text: .*At .*x\.parquet from row 1 on"):
        rows_of(file)


def test_parquet_types_read_as_their_text(tmp_path: Path) -> None:
    columns = {
        "path": pa.array(["a.wav", "b.wav"], pa.large_string()),
        "speaker": pa.array(["s", "t"]).dictionary_encode(),
        "age": pa.array([31, None], pa.int8()),
        "start_s": pa.array([0.5, 1.0]),
        "told": pa.array([True, None]),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    first = {"path": "a.wav", "speaker": "s", "age": "31", "start_s": "0.5", "told": "True", "nothing": ""}
    second = {"path": "b.wav", "speaker": "t", "age": "", "start_s": "1", "told": "", "nothing": ""}
    assert rows_of(tmp_path / "x.parquet") == [first, second]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(5)], ids=str)
def test_parquet_bytes_read_as_the_text_they_are(tmp_path: Path, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"path": pa.array([b"a.wav"], kind), "speaker": ["s"]}), tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet") == [{"path": "a.wav", "speaker": "s"}]


def test_jsonl_columns_that_come_late(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(
        '{"path": "a", "speaker": 1}\n' * ROWS_AT_ONCE + '{"path": "b", "speaker": 2, "age": 3}\n'
    )
    assert rows_of(tmp_path / "x.jsonl")[-2:] == [
        {"path": "a", "speaker": "1"},
        {"path": "b", "speaker": "2", "age": "3"},
    ]
