from pathlib import Path

import pytest

from avis.corpora.common_voice import CommonVoice

HEADER = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale"
ANNA, BORIS = "a" * 128, "b" * 128


def make(root: Path, *lines: str, clips: tuple[str, ...] = ("1.mp3", "2.mp3", "3.mp3")) -> CommonVoice:
    (root / "clips").mkdir()
    for clip in clips:
        (root / "clips" / clip).write_bytes(b"xyz")
    (root / "validated.tsv").write_bytes("\n".join(lines).encode())
    return CommonVoice(name="cv", root=str(root), tsv="validated.tsv", split="train")


def test_rows_speakers_and_attributes(tmp_path: Path) -> None:
    table = make(
        tmp_path,
        HEADER,
        f'{BORIS}\t2.mp3\t"Unbalanced, he said.\t2\t0\tthirties\tmale\tIndia and South Asia (India, Pakistan)\ten\r',
        f"{ANNA}\t1.mp3\tLine\u2028separator\u0085and\rreturn\t3\t1\t\t\t\ten",
        f'{BORIS}\t3.mp3\t"" quotes\t2\t0\t\tmale\t\ten',
        "",
    ).sources()
    assert table["utt_id"].to_pylist() == ["cv/1", "cv/2", "cv/3"]
    assert table["speaker"].to_pylist() == [f"cv/{ANNA}", f"cv/{BORIS}", f"cv/{BORIS}"]
    assert table["session"].to_pylist()[0] == f"cv/{ANNA}/-"
    assert table["size_bytes"].to_pylist() == [3, 3, 3]
    assert [dict(a) for a in table["attributes"].to_pylist()] == [
        {"language": "en"},
        {
            "age": "thirties",
            "gender": "m",
            "accents": "India and South Asia (India, Pakistan)",
            "language": "en",
        },
        {"gender": "m", "language": "en"},
    ]


def test_a_listed_clip_that_is_missing_keeps_its_row(tmp_path: Path) -> None:
    lines = [f"{ANNA}\t{n}.mp3\thello\t2\t0\t\t\t\ten" for n in (1, 2, 3)]
    table = make(tmp_path, HEADER, *lines, clips=("1.mp3", "3.mp3")).sources()
    assert table["size_bytes"].to_pylist() == [3, -1, 3]
    assert table["path"].to_pylist()[1] == str(tmp_path / "clips" / "2.mp3")


def test_newer_headers_are_read_by_name(tmp_path: Path) -> None:
    header = HEADER.replace("sentence", "sentence_id\tsentence\tsentence_domain").replace(
        "locale", "variant\tlocale\tsegment"
    )
    line = f"{ANNA}\t1.mp3\tabc\thello\t\t2\t0\ttwenties\tfemale_feminine\t\t\tde\t"
    (row,) = make(tmp_path, header, line).sources().to_pylist()
    assert dict(row["attributes"]) == {"gender": "f", "age": "twenties", "language": "de"}


def test_older_headers_and_clips_without_suffix_are_read(tmp_path: Path) -> None:
    (row,) = (
        make(tmp_path, HEADER.replace("accents", "accent"), f"{ANNA}\t1\thello\t2\t0\t\t\twales\ten")
        .sources()
        .to_pylist()
    )
    assert (row["utt_id"], row["size_bytes"]) == ("cv/1", 3)
    assert dict(row["attributes"]) == {"accents": "wales", "language": "en"}


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    corpus = make(tmp_path, HEADER, f"{ANNA}\t1.mp3\thello\t2\t0\t\t\t\ten", f"{ANNA}\t2.mp3\thello")
    with pytest.raises(ValueError, match=r"got num_fields=3, expected 9\. At .*validated\.tsv line 3\."):
        corpus.sources()
    (tmp_path / "validated.tsv").write_text("speaker\tfile\n")
    with pytest.raises(ValueError, match=r"not a Common Voice list: got columns=\['speaker', 'file'\]"):
        corpus.sources()
    (tmp_path / "validated.tsv").write_text(HEADER + "\n")
    with pytest.raises(ValueError, match="empty list: got num_clips=0"):
        corpus.sources()
    (tmp_path / "validated.tsv").write_text("")
    with pytest.raises(ValueError, match="not a Common Voice list"):
        corpus.sources()
    (tmp_path / "validated.tsv").unlink()
    with pytest.raises(ValueError, match="list missing"):
        corpus.sources()


@pytest.mark.shared_data
def test_the_real_release_is_complete(shared: Path) -> None:
    root = shared / "speech" / "commonvoice"
    table = CommonVoice(name="cv", root=str(root), tsv="validated.tsv", split="train").sources()
    assert table.num_rows == 439
    assert len(table["speaker"].unique()) == 59
    assert min(table["size_bytes"].to_pylist()) > 0
