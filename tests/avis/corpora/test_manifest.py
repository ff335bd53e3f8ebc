from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from avis.audio.listing import audio_file
from avis.corpora.manifest import Manifest


def corpus(path: Path, text: str | None = None, *, root: str | None = None) -> Manifest:
    if text is not None:
        path.write_text(text, encoding="utf-8-sig")
    return Manifest(name="m", path=str(path), root=root, split="train")


def test_the_least_a_manifest_needs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "ü 1.wav").write_bytes(b"xyz")
    table = corpus(tmp_path / "list.csv", "speaker,path\n007,./a/ü 1.wav\n").sources()
    (row,) = table.to_pylist()
    assert row["utt_id"] == "m/a/ü 1"
    assert (row["speaker"], row["session"], row["split"]) == ("m/007", "m/007/-", "train")
    assert (row["path"], row["size_bytes"]) == (str(tmp_path / "a" / "ü 1.wav"), 3)
    assert row["attributes"] == []


def test_optional_columns_and_attributes(tmp_path: Path) -> None:
    text = (
        "path,speaker,utt_id,session,split,language,remark\n"
        'b.wav,s1,first,morning,test,de,"says ""hi"", twice"\n'
        "a.wav,s1,,,,,\n"
    )
    table = corpus(tmp_path / "list.csv", text, root="/data").sources()
    first, second = table.sort_by([("path", "descending")]).to_pylist()
    assert (first["utt_id"], first["session"], first["split"]) == ("m/first", "m/s1/morning", "test")
    assert dict(first["attributes"]) == {"language": "de", "remark": 'says "hi", twice'}
    assert (second["utt_id"], second["session"], second["split"]) == ("m/a", "m/s1/-", "train")
    assert second["path"] == "/data/a.wav"
    assert second["size_bytes"] == -1


def test_parquet_equals_csv(tmp_path: Path) -> None:
    columns = {"path": ["x/1.wav", "x/2.wav"], "speaker": [7, 8], "session": ["a", None], "age": [31, None]}
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    text = "path,speaker,session,age\nx/1.wav,7,a,31\nx/2.wav,8,,\n"
    assert corpus(tmp_path / "list.parquet").sources() == corpus(tmp_path / "list.csv", text).sources()


def test_jsonl_equals_csv(tmp_path: Path) -> None:
    lines = (
        '{"path": "x/1.wav", "speaker": 7, "session": "a", "age": 31, "start_s": 0.5}\n\n'
        '{"path": "x/2.wav", "speaker": "8", "age": null, "note": "line\\u2028break"}\n'
    )
    (tmp_path / "list.jsonl").write_text(lines)
    text = 'path,speaker,session,age,start_s,note\nx/1.wav,7,a,31,0.5,\nx/2.wav,8,,,,"line\u2028break"\n'
    assert corpus(tmp_path / "list.jsonl").sources() == corpus(tmp_path / "list.csv", text).sources()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a.wav", "speaker": "s"}\n{"path"\n', r"line is no JSON: .*At .*list\.jsonl line 2\."),
        ('["a.wav", "s"]\n', r"line is no row: got '\[\"a\.wav.*line 1\."),
        ('{"path": "a.wav", "speaker": {"id": 1}}\n', r"line is no row: .*Flatten it"),
        ("\n", "columns missing from the manifest"),
    ],
)
def test_jsonl_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        corpus(tmp_path / "list.jsonl").sources()


def test_segments_of_meetings_and_calls(tmp_path: Path) -> None:
    """AMI: close-talking microphones of a meeting; NIST SRE: two sides of a call."""
    text = (
        "path,speaker,session,start_s,end_s,channel,microphone\n"
        "ES2002a/audio/ES2002a.Headset-0.wav,FEE005,ES2002a,12.34,15.6,,headset\n"
        "ES2002a/audio/ES2002a.Headset-0.wav,FEE005,ES2002a,77,,,headset\n"
        "tkjvx.sph,1001,call,,,2,\n"
        "whole.sph,1002,,,,,\n"
    )
    table = corpus(tmp_path / "list.csv", text).sources().sort_by([("utt_id", "ascending")])
    columns = ("utt_id", "start_s", "end_s", "channel")
    assert [tuple(row.values()) for row in table.select(columns).to_pylist()] == [
        ("m/ES2002a/audio/ES2002a.Headset-0_12.340-15.600", 12.34, 15.6, None),
        ("m/ES2002a/audio/ES2002a.Headset-0_77.000-", 77.0, None, None),
        ("m/tkjvx_2", 0.0, None, 2),
        ("m/whole", 0.0, None, None),
    ]
    assert [dict(a) for a in table["attributes"].to_pylist()[1:3]] == [{"microphone": "headset"}, {}]
    assert table["session"].to_pylist()[0] == "m/FEE005/ES2002a"


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ("1.5,1.5,", r"segment out of order: got start_s=1\.5 s, end_s=1\.5 s.*row 1\."),
        ("-1,2,", "segment out of order: got start_s=-1 s"),
        ("nan,2,", "segment out of order"),
        ("1,nan,", "segment out of order"),
        ("inf,,", "segment out of order"),
        ("1:30,2,", "not a segment: got start_s=1:30"),
        (",,A", "not a segment: .*channel=A"),
        (",,1.5", r"not a segment: .*channel=1\.5"),
        (",,inf", r"not a segment: .*channel=inf"),
        (",,0", "channels count from 1: got channel=0"),
        (",,99999999999", "channels count from 1: got channel=99999999999"),
    ],
)
def test_segments_that_are_none(tmp_path: Path, segment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corpus(tmp_path / "list.csv", f"path,speaker,start_s,end_s,channel\na.wav,s,{segment}\n").sources()


def test_a_whole_channel_may_be_written_as_pandas_does(tmp_path: Path) -> None:
    """A column of whole numbers with gaps is one of floats there."""
    text = "path,speaker,channel\na.sph,s,2.0\nb.sph,s,\n"
    pq.write_table(
        pa.table({"path": ["a.sph", "b.sph"], "speaker": ["s", "s"], "channel": [2.0, None]}), tmp_path / "list.parquet"
    )
    table = corpus(tmp_path / "list.csv", text).sources()
    assert table["channel"].to_pylist() == [2, None]
    assert corpus(tmp_path / "list.parquet").sources() == table


def test_absolute_paths_and_uris(tmp_path: Path) -> None:
    for name in ("in side.wav", "out.wav"):
        (tmp_path / name).write_bytes(b"xyz")
    text = f"path,speaker\nfile://{tmp_path}/in side.wav,s\nfile://{tmp_path}/gone.wav,s\n{tmp_path}/out.wav,s\n"
    table = corpus(tmp_path / "list.csv", text, root=f"file://{tmp_path}").sources()
    found = dict(zip(table["utt_id"].to_pylist(), table["size_bytes"].to_pylist(), strict=True))
    assert found == {"m/in side": 3, "m/gone": -1, f"m{tmp_path}/out": 3}
    relative = corpus(tmp_path / "list.csv", "path,speaker\nout.wav,s\n", root=f"file://{tmp_path}").sources()
    assert relative["path"].to_pylist() == [f"file://{tmp_path}/out.wav"]
    assert relative["modified_ns"].to_pylist() == [(tmp_path / "out.wav").stat().st_mtime_ns]


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.wav", "file:///etc/passwd", "s3://bucket/a.wav"])
def test_a_table_leads_to_no_other_files_unless_allowed(tmp_path: Path, path: str) -> None:
    listed = corpus(tmp_path / "list.csv", f"path,speaker\na.wav,s\n{path},s\n")
    with pytest.raises(ValueError, match=rf"num_paths=1, .*list\.csv: {path}\. Give corpus\.root=.*allow_outside=true"):
        listed.sources()


def test_what_is_linked_into_a_corpus_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"xyz")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "elsewhere")
    table = corpus(tmp_path / "corpus" / "list.csv", "path,speaker\nlinked/a.wav,s\n").sources()
    assert table["size_bytes"].to_pylist() == [3]


def test_a_file_of_unknown_size_counts_as_one_that_is_missing() -> None:
    info = pafs.FileInfo("a.wav", pafs.FileType.File)  # as of web servers that do not tell
    assert audio_file(info, path="http://x/a.wav", relative="a.wav").size_bytes == -1


def test_duplicates_are_left_to_prepare(tmp_path: Path) -> None:
    table = corpus(tmp_path / "list.csv", "path,speaker\na.wav,s\na.wav,s\n").sources()
    assert table["utt_id"].to_pylist() == ["m/a", "m/a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,spk\na.wav,s\n", r"got columns=\['file', 'spk'\], expected path, speaker.*Add or rename path, speaker"),
        ("path,speaker\n", "empty manifest: got num_rows=0"),
        ("", r"columns missing from the manifest: got columns=\[\]"),
        ("path,speaker\na.wav,s\nb.wav,\n", r"empty value: got speaker=''.*row 2\."),
        ("path,speaker,split\na.wav,s,dev\n", r"got split='dev'.*row 1\."),
        ("path,speaker\na,b.wav,s\n", r"got num_fields=3, expected 2\. At .*row 1\."),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corpus(tmp_path / "list.csv", text).sources()


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"manifest missing: .*At .*none\.csv"):
        corpus(tmp_path / "none.csv").sources()
