from pathlib import Path

import pytest

from avis import location, store
from avis.audio.room_responses import KINDS, list_kind

SMALL, REAL, POINT = "simulated_rirs/smallroom", "real_rirs_isotropic_noises", "pointsource_noises"
RIRS = [
    f"{REAL}/RVB2014_type1_rir_largeroom1_far_angla.wav",
    f"{REAL}/RWCP_type2_rir_cirline_ofc_imp130.wav",
    f"{REAL}/air_type1_air_binaural_lecture_0_1.wav",
    f"{SMALL}/Room001/Room001-00001.wav",
    f"{SMALL}/Room002/Room002-00001.wav",
]
NOISES = [
    f"{POINT}/noise-free-sound-0000.wav",
    f"{POINT}/noise-sound-bible-0007.wav",
    f"{REAL}/RVB2014_type1_noise_largeroom1_1.wav",
    f"{REAL}/RWCP_type5_noise_cirline_ofc_ambient1.wav",
]
EITHER = {"rir": RIRS, "noise": NOISES}
ISOTROPIC, POINT_SOURCE = "--noise-type isotropic --room-linkage RVB2014_x", "--noise-type point-source"
LISTS = {
    f"{SMALL}/rir_list": [f"--rir-id smallroom-{i} --room-id smallroom-{i} RIRS_NOISES/{RIRS[i]}" for i in (3, 4)],
    f"{REAL}/rir_list": [f"--rir-id 0000{i} --room-id RVB2014_largeroom1 RIRS_NOISES/{RIRS[i]}" for i in (0, 1, 2)],
    f"{REAL}/noise_list": [f"--noise-id 0000{i} {ISOTROPIC} RIRS_NOISES/{NOISES[i]}" for i in (2, 3)],
    f"{POINT}/noise_list": [f"--noise-id {i} {POINT_SOURCE} RIRS_NOISES/{NOISES[i]}" for i in (0, 1)],
}


def collection(root: str, *, lists: bool) -> str:
    """Write RIRS_NOISES, with every kind of file that it has, and return where."""
    for name in RIRS + NOISES:
        store.write_bytes(location.join(root, name), b"x")
    for name, lines in LISTS.items() if lists else ():
        store.write_bytes(location.join(root, name), ("\n".join(lines) + "\n").encode())
    return root


def relatives(root: str, kind: str) -> list[str]:
    return [file.relative for file in list_kind(root, kind)]  # type: ignore[arg-type]


@pytest.mark.parametrize("lists", [True, False])
def test_rirs_noises_is_parted(tmp_path: Path, lists: bool):
    root = collection(f"{tmp_path}/RIRS_NOISES", lists=lists)
    for kind, names in EITHER.items():
        assert relatives(root, kind) == names


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("folder", ["simulated_rirs", SMALL, f"{SMALL}/Room001", REAL, POINT])
def test_a_part_of_rirs_noises_is_parted_alike(tmp_path: Path, folder: str, lists: bool):
    root = collection(f"{tmp_path}/RIRS_NOISES", lists=lists)
    for kind, names in EITHER.items():
        below = [name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")]
        if below:
            assert relatives(f"{root}/{folder}", kind) == below
        else:
            with pytest.raises(
                ValueError, match=rf"no {kind} found: got num_files=0 of \d audio files, .* At .*{folder}"
            ):
                list_kind(f"{root}/{folder}", kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_collection_at_a_uri_and_one_behind_links(tmp_path: Path, kind: str):
    root = collection("memory://speech/RIRS_NOISES", lists=True)
    assert relatives(root, kind) == EITHER[kind]
    collection(f"{tmp_path}/disk", lists=True)
    (tmp_path / "linked").mkdir()
    for part in ("simulated_rirs", REAL, POINT):
        (tmp_path / "linked" / part).symlink_to(tmp_path / "disk" / part)
    assert relatives(f"{tmp_path}/linked", kind) == EITHER[kind]


def test_lists_decide_where_names_say_nothing(tmp_path: Path):
    """Converted to FLAC, with a file that no list names."""
    for name in ("hall.flac", "fan.flac", "stray.flac"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "rir_list").write_text("--rir-id 1 --room-id 1 /elsewhere/hall.wav\n\n")
    assert relatives(str(tmp_path), "rir") == ["hall.flac"]
    assert relatives(str(tmp_path), "noise") == ["fan.flac", "stray.flac"]
    (tmp_path / "noise_list").write_text("--noise-id 1 --noise-type point-source /elsewhere/fan.wav\n")
    assert relatives(str(tmp_path), "noise") == ["fan.flac"]


def test_other_folders_hold_what_is_asked_for(tmp_path: Path):
    names = ["my noise/1.wav", "rooms/rir_noise_2.wav", "street.wav"]
    for name in names:
        store.write_bytes(f"{tmp_path}/{name}", b"x")
    assert [relatives(str(tmp_path), kind) for kind in KINDS] == [names, names]
