from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.voxceleb import VoxCeleb

VOX1 = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10270\tEartha_Kitt\tf\tUSA\ttest\n"
)
VOX2 = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid10001 ,n000012 ,m ,dev \nid10270 ,n000016 ,f ,dev \n"


@pytest.fixture
def root(tmp_path: Path, lay_out: Callable[..., Path]) -> Path:
    return lay_out(
        tmp_path / "wav", "id10270/x6uYqmx31kE/00001.wav", "id10001/-1zcIwhmdeo4/00002.wav", "id10001/a_b/00001.wav"
    )


def test_ids_follow_the_layout(root: Path) -> None:
    table = VoxCeleb(name="vox1", root=str(root), split="train", meta=None).sources()
    assert table["utt_id"].to_pylist() == [
        "vox1/id10001/-1zcIwhmdeo4/00002",
        "vox1/id10001/a_b/00001",
        "vox1/id10270/x6uYqmx31kE/00001",
    ]
    assert table["session"].to_pylist()[2] == "vox1/id10270/x6uYqmx31kE"
    assert table["attributes"].to_pylist() == [[], [], []]


def test_m4a_is_listed_under_the_ids_of_the_trial_lists(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(tmp_path / "aac", "id00012/21Uxsk56VDQ/00001.m4a")
    (row,) = VoxCeleb(name="vox2", root=str(tmp_path / "aac"), split="train", meta=None).sources().to_pylist()
    assert row["utt_id"] == "vox2/id00012/21Uxsk56VDQ/00001"


@pytest.mark.parametrize("meta", [VOX1, VOX1.replace("\n", "\r\n"), VOX2])
def test_meta_gives_gender_and_nationality(root: Path, meta: str) -> None:
    path = root.parent / "meta.csv"
    path.write_bytes(meta.encode())
    attributes = [
        dict(a)
        for a in VoxCeleb(name="v", root=str(root), split="test", meta=str(path)).sources()["attributes"].to_pylist()
    ]
    country = {"nationality": "Ireland"} if meta.startswith("VoxCeleb1") else {}
    assert attributes[0] == attributes[1] == {"gender": "m"} | country
    assert attributes[2]["gender"] == "f"


def test_meta_that_lies_around_the_root_is_found(
    root: Path, capsys: pytest.CaptureFixture[str], lay_out: Callable[..., Path]
) -> None:
    """Both files lie at the top, as `VoxCeleb/vox1_meta.csv`; one of speakers that are not here says nothing."""
    lay_out(root, "id10999/v/1.wav")
    (root.parent / "vox1_meta.csv").write_text(VOX1)
    (root.parent / "vox2_meta.csv").write_text(VOX2.replace("id10", "id00"))
    (root.parent / "other.csv").write_text(VOX1.replace("id10270", "id10999") + "id10270\tx\tm\tUK\tdev\n")
    table = VoxCeleb(name="v", root=str(root), split="test", meta=None).sources()
    assert [dict(a).get("gender") for a in table["attributes"].to_pylist()] == ["m", "m", "f", None]
    said = capsys.readouterr().out
    assert f"gender and nationality of 2 speakers as in {root.parent}/vox1_meta.csv" in said
    assert "vox2" not in said
    assert "gender unknown of 1 of 3 speakers" in said
    given = VoxCeleb(name="v", root=str(root), split="test", meta=str(root.parent / "other.csv")).sources()
    assert [dict(a)["gender"] for a in given["attributes"].to_pylist()] == ["m", "m", "m", "f"]


@pytest.mark.parametrize("stray", ["id10270/00001.wav", "id1/v/1.wav", "p225/v/1.wav", "id10270/v/deep/1.wav", "1.wav"])
def test_files_off_the_layout_are_named(root: Path, stray: str, lay_out: Callable[..., Path]) -> None:
    lay_out(root, stray)
    with pytest.raises(ValueError, match=f"off the VoxCeleb layout: got num_files=1, .*At {stray}"):
        VoxCeleb(name="v", root=str(root), split="train", meta=None).sources()


def test_meta_of_other_speakers_or_another_kind_is_refused(root: Path) -> None:
    path = root.parent / "meta.csv"
    corpus = VoxCeleb(name="v", root=str(root), split="train", meta=str(path))
    path.write_text(VOX1.replace("id10270", "id99999"))
    with pytest.raises(ValueError, match=r"speakers without meta data: got num_speakers=1, .*At id10270"):
        corpus.sources()
    path.write_text("speaker,sex\nid10270,f\n")
    with pytest.raises(ValueError, match="not a VoxCeleb meta file"):
        corpus.sources()
