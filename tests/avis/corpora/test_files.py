import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis.audio.listing import list_audio
from avis.corpora.common_voice import CommonVoice
from avis.corpora.files import check_split, named, source, sources_table
from avis.corpora.folder import Folder
from avis.corpora.kaldi import Kaldi
from avis.corpora.manifest import Manifest
from avis.corpora.voxforge import VoxForge
from avis.schema import SOURCES


def write(path: Path, data: bytes = b"audio") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_table_has_unique_ids_and_keeps_duplicates(tmp_path: Path) -> None:
    write(tmp_path / "s/v.1/a.flac")
    write(tmp_path / "s/v.1/a.wav")
    rows = [
        source(file, corpus="c", split="train", speaker="s", session="v.1", attributes={"z": "1", "a": "2"})
        for file in list_audio(str(tmp_path))
    ]
    table = sources_table(rows[::-1])
    assert table.schema.equals(SOURCES)
    assert table["utt_id"].to_pylist() == ["c/s/v.1/a"] * 2
    assert table["path"].to_pylist() == [str(tmp_path / "s/v.1/a.flac"), str(tmp_path / "s/v.1/a.wav")]
    assert table["speaker"].to_pylist() == ["c/s"] * 2
    assert table["session"].to_pylist() == ["c/s/v.1"] * 2
    assert table["attributes"].to_pylist() == [[("a", "2"), ("z", "1")]] * 2


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.wav", "wb") as file:
        file.write(b"x")
    rows = [source(f, corpus="c", split="train", speaker="s", session="-") for f in list_audio(str(tmp_path))]
    with pytest.raises(ValueError, match=r"file name not UTF-8: got num_files=1.*caf\\udce9"):
        sources_table(rows)


def test_unknown_split_and_long_lists() -> None:
    with pytest.raises(ValueError, match=r"unknown split: got split='dev', expected one of train, test\. At corpus x"):
        check_split("dev", where="corpus x")
    assert named("abcde") == "a, b, c, d, e"


COMPOSED, DECOMPOSED = "Hi\u1ebfu", "Hie\u0302\u0301u"
LAYOUTS = ("folder", "voxforge", "csv", "jsonl", "parquet", "kaldi", "common_voice")


def corpus_of(layout: str, root: Path, speakers: list[Any]) -> Any:
    """Return a corpus of one recording of each speaker, in the layout, with the names as they are given."""
    given: dict[str, Any] = {"name": "c", "split": "test"}
    rows = [(f"{number}.wav", speaker) for number, speaker in enumerate(speakers)]
    for path, _ in rows:
        write(root / ("clips" if layout == "common_voice" else "") / path)
    match layout:
        case "folder" | "voxforge":
            below = [f"{name}/{path}" if layout == "folder" else f"{name}-20070816-x/wav/{path}" for path, name in rows]
            for path in below:
                write(root / "below" / path)
            return (Folder if layout == "folder" else VoxForge)(root=str(root / "below"), **given)
        case "kaldi":
            (root / "wav.scp").write_text("".join(f"u{path} {path}\n" for path, _ in rows))
            (root / "utt2spk").write_text("".join(f"u{path} {speaker}\n" for path, speaker in rows))
            return Kaldi(root=str(root), audio_root=None, **given)
        case "common_voice":
            lines = [f"{speaker}\t{path}\n" for path, speaker in rows]
            (root / "validated.tsv").write_text("client_id\tpath\n" + "".join(lines))
            return CommonVoice(root=str(root), tsv="validated.tsv", **given)
    file = root / f"list.{layout}"
    match layout:
        case "csv":
            file.write_text("path,speaker\n" + "".join(f"{path},{speaker}\n" for path, speaker in rows))
        case "jsonl":
            file.write_text("".join(json.dumps({"path": path, "speaker": speaker}) + "\n" for path, speaker in rows))
        case "parquet":
            pq.write_table(pa.table({"path": [path for path, _ in rows], "speaker": speakers}), file)
    return Manifest(path=str(file), root=str(root), **given)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_name_written_in_two_ways_is_one_speaker_and_it_is_said(
    tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = [COMPOSED, DECOMPOSED, f"{COMPOSED}\u200b", f"{DECOMPOSED}\u00a0", "Lan", "NA"]
    table = corpus_of(layout, tmp_path, written).sources()
    assert sorted(table["speaker"].to_pylist()) == [*[f"c/{COMPOSED}"] * 4, "c/Lan", "c/NA"]
    assert set(table["size_bytes"].to_pylist()) == {5}
    said = capsys.readouterr().out
    assert "1 speakers are written in several ways, taken for one each: " in said
    assert r"Hie\u0302\u0301u' and " in said


@pytest.mark.parametrize(
    ("layout", "unknown"),
    [
        ("folder", "\u00a0"),
        ("folder", "\u200b"),
        ("csv", ""),
        ("csv", " \u200b"),
        ("jsonl", None),
        ("jsonl", float("nan")),
        ("jsonl", " "),
        ("parquet", None),
        ("parquet", "\u3000"),
        ("kaldi", "\u200b"),
        ("common_voice", ""),
        ("common_voice", "\u00a0"),
    ],
)
def test_a_speaker_without_a_name_is_refused(tmp_path: Path, layout: str, unknown: Any) -> None:
    refused = r"speaker unknown: got num_recordings=2.*1\.wav|empty value: got speaker=''.*row 2\."
    with pytest.raises(ValueError, match=refused):
        corpus_of(layout, tmp_path, ["Lan", unknown, unknown]).sources()


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_numbers_that_went_through_a_column_of_floats_are_the_numbers_again(tmp_path: Path, unknown: Any) -> None:
    expected = ["c/1000", "c/7"]
    for layout, speakers in (("parquet", [7.0, 1e3]), ("jsonl", [7.0, 1e3]), ("csv", ["7.0", "1000.0"])):
        assert sorted(corpus_of(layout, tmp_path, speakers).sources()["speaker"].to_pylist()) == expected
        if layout != "csv":
            with pytest.raises(ValueError, match=r"empty value: got speaker=''.*row 3\."):
                corpus_of(layout, tmp_path, [*speakers, unknown]).sources()


def test_a_name_that_ends_in_a_slash_is_a_name(tmp_path: Path) -> None:
    assert corpus_of("csv", tmp_path, ["Lan/"]).sources()["speaker"].to_pylist() == ["c/Lan/"]


def test_file_names_stay_as_they_are_on_disk(tmp_path: Path) -> None:
    write(tmp_path / DECOMPOSED / "s 1" / f"{DECOMPOSED}  a.wav")
    (row,) = Folder(name="c", root=str(tmp_path), split="test").sources().to_pylist()
    assert row["utt_id"] == f"c/{COMPOSED}/s 1/{COMPOSED} a"
    assert row["session"] == f"c/{COMPOSED}/s 1"
    assert row["path"] == f"{tmp_path}/{DECOMPOSED}/s 1/{DECOMPOSED}  a.wav"
    assert Path(row["path"]).exists()


@pytest.mark.parametrize(("on_disk", "listed"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)])
def test_a_list_in_another_form_than_the_disk_finds_the_files(tmp_path: Path, on_disk: str, listed: str) -> None:
    write(tmp_path / "audio" / on_disk / "1.wav")
    write(tmp_path / "list.csv", f"path,speaker\n{listed}/1.wav,Lan\n".encode())
    corpus = Manifest(name="c", path=str(tmp_path / "list.csv"), root=str(tmp_path / "audio"), split="test")
    (row,) = corpus.sources().to_pylist()
    assert (row["path"], row["size_bytes"]) == (f"{tmp_path}/audio/{on_disk}/1.wav", 5)
    assert row["utt_id"] == f"c/{COMPOSED}/1"
