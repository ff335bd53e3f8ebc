"""Files from elsewhere: bounded before they are unpacked, and their names lead nowhere."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis import foreign, store
from avis.foreign import check_plain, parse_json
from avis.schema import SCHEMA_VERSION

PART = {"rows": 1, "bytes": 4, "sha256": "0"}


def written(folder: Path, files: object, **others: object) -> str:
    manifest = {"schema_version": SCHEMA_VERSION, "inputs": "i", "rows": {"utterances": 1}, "files": files, **others}
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"../../etc/passwd": PART}, r"a file named '\.\./\.\./etc/passwd'"),
        ({"/etc/passwd.parquet": PART}, "a file named '/etc"),
        ({"utterances/..": PART}, "a file named"),
        ({"utterances/a/b.parquet": PART}, "a file named"),
        ({"s3://host/a.parquet": PART}, "a file named"),
        ({"utterances/a.parquet": {"rows": -1, "bytes": 4}}, "no rows and bytes"),
        ({"utterances/a.parquet": {"rows": "1", "bytes": 4}}, "no rows and bytes"),
        ({"utterances/a.parquet": [1, 2]}, "no rows and bytes"),
        ({"utterances/a.parquet": {**PART, "store": "../../elsewhere"}}, r"store='\.\./\.\./elsewhere'"),
        ({"utterances/a.parquet": {**PART, "store": "http://host/store"}}, "store='http://host/store'"),
        ({"utterances/a.parquet": {**PART, "store": 5}}, "store=5"),
        (["utterances/a.parquet"], "no mapping files"),
    ],
)
def test_a_manifest_leads_to_parts_of_stores_alone(tmp_path: Path, files: object, found: str):
    uri = written(tmp_path / "store", files)
    for read in (store.open_manifest, lambda uri: store.finished(uri, "i")):
        with pytest.raises(ValueError, match=rf"no manifest of a store: got {found}.*At {uri}"):
            read(uri)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "5", '{"a": ', "\0"])
def test_what_is_no_json_object_is_said_with_its_path(tmp_path: Path, text: str):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=rf"no JSON object: got .*At {tmp_path}/manifest\.json"):
        store.open_manifest(str(tmp_path))


def test_of_a_long_file_no_more_is_read_than_json_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr("avis.whole_file.MAX_JSON_BYTES", 1000)
    with pytest.raises(ValueError, match=r"no JSON object: got "):
        store.read_json(str(tmp_path / "a.json"))
    monkeypatch.setattr(foreign, "MAX_JSON_BYTES", 10)
    with pytest.raises(ValueError, match=r"got more than 10 bytes"):
        parse_json(b'{"key": "value"}', "a.json")


def test_a_table_larger_than_its_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(foreign, "EXPANSION_FREE", 1000)
    monkeypatch.setattr(foreign, "MAX_EXPANSION", 10)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.repeat(7, 1_000_000)}), path, compression="zstd")
    with pytest.raises(ValueError, match=rf"table larger than its file: got 1000000 rows .*At {path}"):
        store.open_part(str(path))


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"NaN, .*At x\.a\[1\]\.b"),
        ({"a": b"bytes"}, r"a value of type bytes, .*At x\.a"),
        ({"a": {1: 2}}, r"a key of type int, .*At x\.a"),
        ({"a": 1 << 63}, r"a whole number of 64 bits, .*At x\.a"),
        ([0] * foreign.MAX_VALUES, "more than 100000 values"),
    ],
)
def test_what_is_no_plain_data_is_named(node: Any, found: str):
    with pytest.raises(ValueError, match=rf"settings are no plain data: got {found}"):
        check_plain(node, "x")


def test_plain_data_are_as_json_and_yaml_have_them():
    check_plain({"a": [1, -0.5, None, True, "text", float("inf")], "b": {"c": ()}}, "x")
