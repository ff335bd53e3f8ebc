"""Stores: all or nothing, and never silently wrong."""

import contextlib
import errno
import gc
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from avis import location, store, whole_file
from avis.digest import fingerprint, table_digest
from avis.storage_fault import StorageError

ROOT = Path(__file__).parents[2]
BYTES_FLIPPED = 40


def rows(num: int = 50, seed: int = 0) -> pa.Table:
    noise = np.random.default_rng(seed).bytes(num * 100)
    return pa.table({"utt_id": [f"u{i}" for i in range(num)], "audio": [noise[i::num] for i in range(num)]})


def two_parts(uri: str) -> None:
    for part in range(2):
        store.commit_part(uri, f"train-{part}", {"utterances": rows(seed=part)}, row_group_rows=20)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


def test_the_manifest_is_written_last_and_counts_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = []
    write_file = whole_file.write_file

    def noted(uri: str, file: IO[bytes]) -> None:
        write_file(uri, file)
        written.append(uri)

    for module in (store, whole_file):
        monkeypatch.setattr(module, "write_file", noted)
    uri = str(tmp_path / "store")
    two_parts(uri)
    assert store.finished(uri, "abc") is None
    manifest = store.finish(uri, parts=[], inputs="abc", facts={"sharding": {"seed": 1}})
    assert [name.removeprefix(f"{uri}/") for name in written] == [
        "utterances/train-0.parquet",
        "_parts/train-0.json",
        "utterances/train-1.parquet",
        "_parts/train-1.json",
        "manifest.json",
    ]
    assert files_below(tmp_path / "store") == [
        "manifest.json",
        "utterances/train-0.parquet",
        "utterances/train-1.parquet",
    ]
    assert manifest == store.open_manifest(uri) == store.finished(uri, "abc")
    assert (manifest["rows"], manifest["sharding"]) == ({"utterances": 100}, {"seed": 1})
    for file, info in manifest["files"].items():
        data = (tmp_path / "store" / file).read_bytes()
        assert info == {"rows": 50, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_an_unfinished_store_is_resumed_and_never_read(tmp_path: Path):
    uri = str(tmp_path / "store")
    two_parts(uri)
    assert set(store.committed_parts(uri)) == {"train-0", "train-1"}
    for read in (lambda: store.open_manifest(uri), lambda: store.read_table(uri, "utterances")):
        with pytest.raises(ValueError, match=r"store not finished: .*manifest\.json"):
            read()
    assert store.committed_parts(str(tmp_path / "nothing")) == {}


def test_a_store_of_other_inputs_or_another_version_is_refused(tmp_path: Path):
    uri = str(tmp_path)
    two_parts(uri)
    store.finish(uri, parts=[], inputs="abc", facts={})
    with pytest.raises(ValueError, match=r"store belongs to other inputs: got inputs=abc, expected xyz\. At "):
        store.finished(uri, "xyz")
    store.write_json(location.join(uri, store.MANIFEST), store.open_manifest(uri) | {"schema_version": 0})
    with pytest.raises(ValueError, match="store of another version: got schema_version=0"):
        store.open_manifest(uri)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_tables_come_back_by_part_prefix_and_column(tmp_path: Path, scheme: str):
    uri = f"{scheme}{tmp_path}/store"
    two_parts(uri)
    store.commit_part(uri, "test-0", {"utterances": rows(3), "rejects": rows(0)}, row_group_rows=20)
    store.finish(uri, parts=[], inputs="abc", facts={})
    whole = pa.concat_tables([rows(3), rows(seed=0), rows(seed=1)])
    assert store.read_table(uri, "utterances").equals(whole)
    assert store.read_table(uri, "utterances", columns=["utt_id"], prefix="train-").num_rows == 100
    assert store.read_table(uri, "rejects").num_rows == 0
    part = store.part_uris(uri, "utterances", "train-")[0]
    opened = store.open_part(part)
    assert [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)] == [20, 20, 10]
    assert store.read_row_group(opened, part, 1, ["audio"]).equals(rows().select(["audio"]).slice(20, 20))
    with pytest.raises(ValueError, match=r"table not in store: got table=embeddings .*'rejects', 'utterances'"):
        store.read_table(uri, "embeddings")


@pytest.mark.parametrize("indexed", [2, 1])
def test_light_columns_are_read_of_the_index_if_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indexed: int
):
    """A store may have taken over parts that are older than indices are."""
    uri, read = str(tmp_path), []
    for number in range(2):
        rows = pa.table({"utt_id": [f"u{number}"], "audio": [b"RIFF"]})
        index = {"index": rows.drop_columns(["audio"])} if number < indexed else {}
        store.commit_part(uri, f"train-{number}", {"utterances": rows, **index}, row_group_rows=1)
    store.finish(uri, parts=[], inputs="abc", facts={})
    open_part = store.open_part
    monkeypatch.setattr(store, "open_part", lambda part: (read.append(Path(part).parent.name), open_part(part))[1])
    assert store.read_table(uri, "utterances", columns=["utt_id"])["utt_id"].to_pylist() == ["u0", "u1"]
    assert set(read) == {"index" if indexed == 2 else "utterances"}
    assert store.read_table(uri, "utterances").column_names == ["utt_id", "audio"]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    records = [
        store.commit_part(str(tmp_path / name), "p", {"t": table}, row_group_rows=7)
        for name, table in (("a", rows()), ("b", pa.concat_tables([rows().slice(0, 9), rows().slice(9)])))
    ]
    assert records[0] == records[1]


@pytest.mark.parametrize(("num", "row_group_rows", "at_a_time"), [(50, 7, 1), (50, 7, 20), (50, 64, 3), (0, 7, 1)])
def test_rows_that_come_bit_by_bit_give_the_bytes_of_one_write(
    tmp_path: Path, num: int, row_group_rows: int, at_a_time: int
):
    table = rows().slice(0, num)
    pq.write_table(table, tmp_path / "x", compression="zstd", row_group_size=row_group_rows, write_page_checksum=True)
    bits = ({"t": table.slice(start, at_a_time)} for start in range(0, max(1, num), at_a_time))
    record = store.commit_part(str(tmp_path), "p", bits, row_group_rows=row_group_rows)
    data = (tmp_path / "x").read_bytes()
    assert (tmp_path / "t" / "p.parquet").read_bytes() == data
    assert record == {"t/p.parquet": {"rows": num, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}}


def test_a_shard_of_another_size_is_named(tmp_path: Path):
    two_parts(str(tmp_path))
    store.finish(str(tmp_path), parts=[], inputs="abc", facts={})
    shard = tmp_path / "utterances" / "train-1.parquet"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"corrupt shard: got {size - 1} bytes, expected {size} bytes. At {shard}"):
        store.read_table(str(tmp_path), "utterances")
    shard.unlink()
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {shard}"):
        store.open_manifest(str(tmp_path))


def test_a_flipped_byte_never_changes_what_is_read(tmp_path: Path):
    """Page headers hold a few bytes that readers do not look at; every other flip is noticed."""
    two_parts(str(tmp_path))
    store.finish(str(tmp_path), parts=[], inputs="abc", facts={})
    shard = tmp_path / "utterances" / "train-0.parquet"
    intact = shard.read_bytes()
    column = pq.ParquetFile(shard).metadata.row_group(1).column(1)
    start, end = column.dictionary_page_offset, column.dictionary_page_offset + column.total_compressed_size
    noticed = 0
    for position in np.linspace(start, end - 1, BYTES_FLIPPED).astype(int):
        flip(shard, position)
        with contextlib.suppress(ValueError):
            part = store.open_part(str(shard))
            assert store.read_row_group(part, str(shard), 1, ["audio"]).equals(rows().select(["audio"]).slice(20, 20))
            shard.write_bytes(intact)
            continue
        with pytest.raises(ValueError, match=f"corrupt shard: .* At {shard}"):
            store.read_table(str(tmp_path), "utterances")
        noticed += 1
        shard.write_bytes(intact)
    assert noticed >= 0.9 * BYTES_FLIPPED
    flip(shard, len(intact) - 1)
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {shard}"):
        store.open_part(str(shard))


class FullDisk(pafs.LocalFileSystem):
    """A file system on which the kernel finds no room for anything."""

    def open_output_stream(self, path: str, **kwargs: object) -> pa.NativeFile:
        Path(path).touch()
        return super().open_output_stream("/dev/full", **kwargs)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_said_clearly_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    uri = str(tmp_path / "store")
    store.commit_part(uri, "train-0", {"utterances": rows()}, row_group_rows=20)
    before = files_below(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(whole_file, "filesystem", lambda uri: (FullDisk(), location.absolute(uri)))
        with pytest.raises(OSError, match=r"disk full: got no room for \d+ bytes, .* At .*train-1\.parquet") as error:
            store.commit_part(uri, "train-1", {"utterances": rows()}, row_group_rows=20)
    assert error.value.errno == errno.ENOSPC
    assert files_below(tmp_path) == before
    assert set(store.committed_parts(uri)) == {"train-0"}


def test_a_write_that_dies_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "manifest.json"
    store.write_json(str(path), {"old": 1})

    def denied(*args: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(
        StorageError, match=r"storage gives no leave: got PermissionError .*denied.* At .*manifest\.json"
    ):
        store.write_json(str(path), {"new": 1})
    assert files_below(tmp_path) == ["manifest.json"]
    assert store.read_json(str(path)) == {"old": 1}


@pytest.mark.slow
def test_a_part_that_is_given_up_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cut_off() -> Iterator[dict[str, pa.Table]]:
        yield {"utterances": rows()}
        raise ConnectionError("power cut")

    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(ConnectionError, match="power cut"):
        store.commit_part(str(tmp_path), "train-0", cut_off(), row_group_rows=20)
    gc.collect()
    assert (unraisable, files_below(tmp_path)) == ([], [])


def test_fingerprints_and_digests_follow_content_alone():
    assert fingerprint({"a": 1, "b": [None, "ü"]}) == fingerprint({"b": [None, "ü"], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 1.5})
    assert fingerprint("") == hashlib.sha256(b'""').hexdigest()[:12]
    chunked = pa.concat_tables([rows().slice(0, 9), rows().slice(9)])
    assert table_digest(chunked) == table_digest(rows()) != table_digest(rows(seed=1))


def test_a_store_that_lacks_parts_is_not_finished(tmp_path: Path):
    uri = str(tmp_path / "store")
    store.commit_part(uri, "a", {"letters": pa.table({"x": [1]})}, row_group_rows=8)
    with pytest.raises(ValueError, match=r"parts missing: got 1 of 2 parts, expected all\. At .*store, b for one"):
        store.finish(uri, parts=["a", "b"], inputs="abc", facts={})
    first = store.finish(uri, parts=["a"], inputs="abc", facts={})
    assert store.finish(uri, parts=["a"], inputs="abc", facts={}) == first, (
        "the second driver takes the first one's store"
    )


def test_files_that_were_cut_off_go_when_the_store_is_finished(tmp_path: Path):
    uri = tmp_path / "store"
    store.commit_part(str(uri), "a", {"letters": pa.table({"x": [1]})}, row_group_rows=8)
    (uri / "letters" / f"b.parquet.77{whole_file.UNFINISHED}").write_bytes(b"half")
    store.finish(str(uri), parts=["a"], inputs="abc", facts={})
    assert sorted(path.name for path in uri.rglob("*") if path.is_file()) == ["a.parquet", "manifest.json"]


def test_what_is_written_while_another_driver_finishes_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The other one clears away the folder of records, and the file that is just being written."""
    uri, replace, cleared = str(tmp_path / "store"), os.replace, []
    two_parts(uri)
    expected = files_below(tmp_path / "store")

    def finished_before(source: str, target: str) -> None:
        if not target.endswith(store.MANIFEST) and not cleared:
            cleared.append(target)
            store.finish(uri, parts=["train-0", "train-1"], inputs="abc", facts={})
            assert not os.path.exists(source)
        replace(source, target)

    for kind in (".parquet", ".json"):
        cleared.clear()
        shutil.rmtree(uri)
        two_parts(uri)
        assert files_below(tmp_path / "store") == expected
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", lambda s, t, k=kind: finished_before(s, t) if t.endswith(k) else replace(s, t))
            store.commit_part(uri, "train-1", {"utterances": rows(seed=1)}, row_group_rows=20)
        assert cleared
        assert files_below(tmp_path / "store") == [store.MANIFEST, *(n for n in expected if n.endswith(".parquet"))]
        assert store.read_table(uri, "utterances").num_rows == 100


DRIVER = """
import sys
import pyarrow as pa
from avis import store

for number in range(40):
    uri = f"{sys.argv[1]}/{number}"
    tasks = {f"p{i}": pa.table({"x": list(range(i, i + 50))}) for i in range(4)}
    if not store.finished(uri, "abc"):
        for part, table in tasks.items():
            if not store.is_committed(uri, part):
                store.commit_part(uri, part, {"a": table, "b": table}, row_group_rows=10)
        store.finish(uri, parts=tasks, inputs="abc", facts={})
"""


@pytest.mark.slow
def test_three_processes_make_the_same_stores_at_once(tmp_path: Path):
    drivers = [
        subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for driver in drivers:
        _, errors = driver.communicate(timeout=120)
        assert driver.returncode == 0, errors
    for number in range(40):
        names = [f"{table}/p{part}.parquet" for table in "ab" for part in range(4)]
        assert files_below(tmp_path / str(number)) == [*names, store.MANIFEST]
        assert store.read_table(str(tmp_path / str(number)), "a").num_rows == 200
