"""Every layout, with its lists, at a URI: the same rows as on a disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from avis import location, store
from avis.corpora.cn_celeb import CnCeleb1, CnCeleb2
from avis.corpora.common_voice import CommonVoice
from avis.corpora.folder import Folder
from avis.corpora.kaldi import Kaldi
from avis.corpora.libri_speech import LibriSpeech
from avis.corpora.manifest import Manifest
from avis.corpora.musan import Musan
from avis.corpora.rirs_noises import RirsNoises
from avis.corpora.synthetic import Synthetic
from avis.corpora.vctk import Vctk
from avis.corpora.voxceleb import VoxCeleb
from avis.corpora.voxforge import VoxForge

Made = Callable[[str], Any]

LAYOUTS: dict[str, tuple[Made, dict[str, str]]] = {
    "cn_celeb_1": (
        lambda root: CnCeleb1(name="cn", root=root),
        {
            "data/id00000/singing-01-001.flac": "x",
            "dev/dev.lst": "id00000\n",
            "data/id00800/singing-02-001.flac": "x",
            "eval/enroll/id00800-enroll.flac": "xy",
            "eval/lists/enroll.map": "id00800-enroll id00800/singing-02-001.wav\n",
            "eval/test/id00800-singing-01-005.flac": "x",
        },
    ),
    "cn_celeb_2": (
        lambda root: CnCeleb2(name="cn", root=root),
        {"data/id10000/vlog-01-001.flac": "x", "spk.lst": "id10000\r\n"},
    ),
    "common_voice": (
        lambda root: CommonVoice(name="cv", root=root, tsv="dev.tsv", split="train"),
        {"clips/1.mp3": "xyz", "dev.tsv": "client_id\tpath\tgender\nanna\t1.mp3\tfemale\nanna\tgone.mp3\t\n"},
    ),
    "folder": (
        lambda root: Folder(name="f", root=root, split="train"),
        {"anna/a/1 é.wav": "x", "boris/2.WAV": "xy", "boris/notes.txt": "x"},
    ),
    "kaldi": (
        lambda root: Kaldi(name="k", root=location.join(root, "data"), audio_root=root, split="test"),
        {
            "data/wav.scp": "r1 audio/1 a.wav\nr2 audio/gone.wav\n",
            "data/segments": "u1 r1 0.5 2\nu2 r2 0 -1\n",
            "data/utt2spk": "u1 anna\nu2 boris\n",
            "data/spk2gender": "anna f\nboris m\n",
            "data/reco2file_and_channel": "r1 r1 B\n",
            "audio/1 a.wav": "xyz",
        },
    ),
    "libri_speech": (
        lambda root: LibriSpeech(name="ls", root=root, subsets=["dev-clean"]),
        {"dev-clean/84/1/84-1-0000.flac": "x", "SPEAKERS.TXT": "; note\n84 | F | dev-clean | 8.02 | Christie\n"},
    ),
    "manifest": (
        lambda root: Manifest(name="m", path=location.join(root, "list.csv"), root=root, split="train"),
        {"list.csv": "path,speaker,start_s\na/1.wav,anna,0.5\na/gone.wav,anna,\n", "a/1.wav": "xyz"},
    ),
    "musan": (
        lambda root: Musan(name="n", root=root, split="test", kinds=["noise"]),
        {"noise/free-sound/noise-free-sound-0000.wav": "x", "music/jamendo/music-jamendo-0003.wav": "x"},
    ),
    "rirs_noises": (
        lambda root: RirsNoises(name="r", root=root, split="test", kinds=["rir"]),
        {"a/1.wav": "x", "a/2.wav": "x", "a/rir_list": "--rir-id 1 --room-id 1 RIRS_NOISES/a/1.wav\n"},
    ),
    "vctk": (
        lambda root: Vctk(name="vctk", root=root, split="train", microphones=["mic1"]),
        {"wav48/p225/p225_001.wav": "x", "speaker-info.txt": "ID  AGE  GENDER  ACCENTS\n225  23  F    English\n"},
    ),
    "voxceleb": (
        lambda root: VoxCeleb(name="v", root=location.join(root, "dev", "aac"), split="train", meta=None),
        {
            "dev/aac/id00012/21Uxsk56VDQ/00001.m4a": "x",
            "vox2_meta.csv": "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \n",
        },
    ),
    "voxceleb_meta": (
        lambda root: VoxCeleb(
            name="v", root=location.join(root, "wav"), split="test", meta=location.join(root, "m.csv")
        ),
        {"wav/id10270/x6uYqmx31kE/00001.wav": "x", "m.csv": "VoxCeleb1 ID\tGender\tNationality\nid10270\tf\tUSA\n"},
    ),
    "voxforge": (
        lambda root: VoxForge(name="vf", root=root, split="train"),
        {"ralf-20070816-de2/wav/1.wav": "x", "ralf-20070816-de2/etc/README": "Gender: Male;\n", "joe-1/wav/1.wav": "x"},
    ),
}


def rows(made: Made, root: str) -> pa.Table:
    return made(root).sources().drop_columns(["path", "modified_ns"]).sort_by("utt_id")


@pytest.mark.few(4)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scheme", ["s3", "memory"])
def test_the_same_rows_as_on_a_disk(scheme: str, layout: str, tmp_path: Path, request: pytest.FixtureRequest):
    query = request.getfixturevalue("s3") if scheme == "s3" else ""
    uri = f"{scheme}://speech/layouts/{layout}{query}"
    made, files = LAYOUTS[layout]
    for name, text in files.items():
        for root in (str(tmp_path), uri):
            store.write_bytes(location.join(root, name), text.encode())
    local, remote = rows(made, str(tmp_path)), rows(made, uri)
    assert remote.equals(local)
    assert max(remote["size_bytes"].to_pylist()) > 0
    paths = made(uri).sources()["path"].to_pylist()
    assert [path.startswith(f"{scheme}://speech/layouts/{layout}/") for path in paths] == [True] * len(paths)
    assert all(path.endswith(query) for path in paths)


def test_voices_are_written_to_a_uri(tmp_path: Path):
    sizes = {"num_train_speakers": 1, "num_test_speakers": 2, "num_sessions": 2, "num_utterances": 1}
    local, remote = (
        Synthetic(name="syn", root=root, duration_s=0.5, seed=0, **sizes)
        for root in (str(tmp_path), "memory://speech/synthetic")
    )
    assert rows(lambda _: remote, "").equals(rows(lambda _: local, ""))
    assert remote.trials_path.startswith("memory://speech/synthetic/")
    assert location.read_bytes(remote.trials_path) == location.read_bytes(local.trials_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_there_is_named(layout: str):
    with pytest.raises(ValueError, match=r"(missing|no audio found): got .*At memory://speech/nothing"):
        LAYOUTS[layout][0]("memory://speech/nothing").sources()
