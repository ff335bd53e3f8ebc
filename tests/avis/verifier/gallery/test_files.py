"""Nothing is lost or left in the files of a gallery, whoever is killed, writes beside or puts things there."""

import dataclasses
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from avis import store
from avis.verifier import Gallery, Verifier
from avis.verifier.gallery import files
from tests.avis.verifier.gallery.conftest import bytes_of


def test_a_back_end_that_was_fitted_anew_compares_the_same_recordings(gallery, sure, voice):
    from avis.scoring.cosine import Cosine

    backend = Cosine(center=True)
    backend.fit(np.random.default_rng(0).normal(size=(50, sure.dim)), np.arange(50))
    other = Verifier(dataclasses.replace(sure.parts, backend=backend))
    opened = Gallery.open(gallery.files.folder, other)
    expected = other.verify(voice(2), voice(2, take=9)).score
    assert opened.identify(voice(2, take=9)).candidates[0].score == pytest.approx(expected, abs=1e-6)
    opened.enroll("dora", [voice(3)])
    assert Gallery.open(gallery.files.folder, other).identify(voice(2, take=9)).candidates[0].score == pytest.approx(
        expected, abs=1e-6
    )
    assert gallery.identify(voice(2, take=9)).speaker == "carl"


def test_small_parts_go_into_larger_ones_and_a_person_lies_in_one(sure, voice, tmp_path):
    gallery = Gallery.open(tmp_path / "gallery", sure)
    for at in range(40):
        gallery.enroll(f"person {at % 16}", [voice(at % 16, take=at // 16)], gates=None)
        parts = gallery.files.snapshot().manifest.parts
        assert len(parts) <= math.log2(at + 1) + 1
    names = [name for part in parts for name in set(gallery.files.rows(part)["speaker"].to_pylist())]
    assert sorted(names) == sorted(f"person {at}" for at in range(16))
    assert {path.name.partition(".")[0] for path in (tmp_path / "gallery").glob("*/*")} == {*parts}


def test_a_large_gallery_is_in_several_parts_that_are_compared_alike(sure, voice, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PART_ROWS", 4)
    gallery = Gallery.open(tmp_path / "gallery", sure)
    gallery.enroll_all({f"person {at:02}": [voice(at), voice(at, take=1)] for at in range(16)}, gates=None)
    assert len(gallery.files.snapshot().manifest.parts) == 8
    found = [gallery.identify(voice(at, take=9)) for at in range(16)]
    assert [each.speaker for each in found] == [f"person {at:02}" for at in range(16)]


@pytest.mark.parametrize("damage", [b"", b"ARROW1", None])
def test_the_index_of_people_is_made_anew_where_it_is_lost(gallery, sure, voice, damage):
    for path in Path(gallery.files.folder, "people").iterdir():
        path.unlink() if damage is None else path.write_bytes(damage)
    assert Gallery.open(gallery.files.folder, sure).identify(voice(1, take=9)).speaker == "bob"


def test_lost_recordings_and_foreign_manifests_are_errors(gallery, sure, voice):
    folder = Path(gallery.files.folder)
    kept = (folder / "manifest.json").read_text()
    for wrong, message in [("{", "no JSON object"), ('{"rows": {}, "files": {}}', "no gallery: got model")]:
        (folder / "manifest.json").write_text(wrong)
        with pytest.raises(ValueError, match=message):
            Gallery.open(folder, sure).identify(voice(0))
    (folder / "manifest.json").write_text(kept.replace('"dim": 16', '"dim": 1000000000000'))
    with pytest.raises(ValueError, match="no gallery: got dim=1000000000000"):
        Gallery.open(folder, sure)
    (folder / "manifest.json").write_text(kept)
    for path in folder.glob("*/*"):
        path.unlink()
    with pytest.raises(ValueError, match="gallery without its files"):
        Gallery.open(folder, sure).identify(voice(0))


@pytest.mark.slow
def test_who_is_killed_at_any_moment_leaves_it_as_it_was_or_as_it_was_to_be(sure, voice, tmp_path, monkeypatch):
    """Every write and every deletion is the last in turn: what was returned from is there, nothing is half there."""

    class Killed(BaseException):
        pass

    steps = iter(())
    for action in ("write_bytes", "write_json", "delete_file"):

        def last(*args, done=getattr(store, action)):  # noqa: B008
            if next(steps, None) is None:
                raise Killed
            done(*args)

        monkeypatch.setattr(store, action, last)
    outcomes = []
    for num_steps in range(40):
        steps = iter(range(1000))
        gallery = Gallery.open(tmp_path / f"gallery-{num_steps}", sure)
        for person, name in enumerate(["anna", "bob"]):
            gallery.enroll(name, [voice(person)])
        steps = iter(range(num_steps))
        try:
            gallery.enroll("anna", [voice(0, take=1)])
            gallery.remove("bob")
            outcomes.append("done")
        except Killed:
            steps = iter(range(1000))
            again = Gallery.open(tmp_path / f"gallery-{num_steps}", sure)
            names = again.list()["speaker"].to_pylist()
            outcomes.append(" ".join(names))
            assert again.identify(voice(0, take=9)).speaker == "anna"
            again.enroll("carl", [voice(2)])
            assert (b"bob" in b"".join(bytes_of(again).values())) == ("bob" in names)
    states = list(dict.fromkeys(outcomes))
    assert states == ["anna bob", "anna anna bob", "anna anna", "done"]
    assert outcomes == sorted(outcomes, key=states.index)


def test_two_who_write_at_once_lose_nothing(sure, voice, tmp_path):
    def enrol(start: int) -> None:
        gallery = Gallery.open(tmp_path / "gallery", sure)
        for person in range(start, start + 5):
            gallery.enroll(f"person {person}", [voice(person)])

    threads = [threading.Thread(target=enrol, args=(start,)) for start in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Gallery.open(tmp_path / "gallery", sure).list()["speaker"].to_pylist()) == sorted(
        f"person {person}" for person in range(15)
    )


def test_what_another_process_changes_is_seen_at_once(gallery, sure, voice):
    other = Gallery.open(gallery.files.folder, sure)
    assert other.identify(voice(4, take=9)).outcome == "not_enrolled"
    gallery.enroll("eve", [voice(4)])
    assert other.identify(voice(4, take=9)).speaker == "eve"
    gallery.remove("eve")
    assert other.identify(voice(4, take=9)).outcome == "not_enrolled"


def test_a_gallery_may_lie_anywhere(sure, voice, monkeypatch):
    from avis import claim

    monkeypatch.setattr(claim, "SETTLES_S", 0.05)
    gallery = Gallery.open("memory://galleries/one", sure)
    gallery.enroll("anna", [voice(0)])
    gallery.enroll("bob", [voice(1)])
    gallery.remove("anna")
    assert Gallery.open("memory://galleries/one", sure).identify(voice(1, take=9)).speaker == "bob"


def test_the_schema_is_the_glossarys(gallery):
    from avis.schema import enrolled_schema

    assert all(gallery.files.rows(part).schema == enrolled_schema(16) for part in gallery.files.snapshot().people)


def test_what_else_lies_in_its_folders_stays(sure, voice, tmp_path):
    for name in ("people/anna.wav", "enrolled/notes.txt", "manifest.json.bak"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    Gallery.open(tmp_path, sure).enroll("anna", [voice(0)])
    Gallery.open(tmp_path, sure).remove("anna")
    assert [path.read_text() for path in tmp_path.rglob("*") if path.name in ("anna.wav", "notes.txt")] == ["mine"] * 2


def test_files_that_were_being_written_go_with_the_next_change(gallery, voice):
    folder = Path(gallery.files.folder)
    part = next(iter(gallery.files.snapshot().people))
    left = [f"people/{part}.arrow.{'a' * 32}.tmp", f"enrolled/{'b' * 32}.parquet", f"manifest.json.{'c' * 32}.tmp"]
    for name in left:
        (folder / name).write_text("bob")
    gallery.remove("bob")
    assert b"bob" not in b"".join(bytes_of(gallery).values())


@pytest.mark.parametrize("damage", ["lost", "empty"])
def test_a_gallery_without_its_manifest_is_no_new_one(gallery, sure, voice, damage):
    manifest = Path(gallery.files.folder, "manifest.json")
    kept = manifest.read_bytes()
    manifest.unlink() if damage == "lost" else manifest.write_bytes(b"")
    with pytest.raises(ValueError, match="gallery without its manifest" if damage == "lost" else "no JSON object"):
        Gallery.open(gallery.files.folder, sure).enroll("dora", [voice(3)])
    manifest.write_bytes(kept)
    assert gallery.identify(voice(0, take=9)).speaker == "anna"


def test_a_lock_that_is_removed_meanwhile_locks_nothing(gallery, sure, voice):
    with gallery.files.changing() as manifest:
        rows = gallery.files.read()
        os.unlink(Path(gallery.files.folder, "lock"))
        Gallery.open(gallery.files.folder, sure).enroll("dora", [voice(3)])
        with pytest.raises(ValueError, match="gallery taken over"):
            gallery.files.replace(manifest, list(manifest.parts), rows)
    assert gallery.identify(voice(3, take=9)).speaker == "dora"


def test_a_back_end_of_other_settings_makes_an_index_of_its_own(sure, voice, tmp_path):
    """AS-norm keeps statistics of its nearest in each vector, of which its state says nothing."""
    from avis.scoring.as_norm import AsNorm
    from avis.scoring.cosine import Cosine

    rng = np.random.default_rng(0)
    cohort = rng.normal(size=(80, sure.dim)), np.repeat(np.arange(40), 2)
    found = {}
    for top_n in (5, 20):
        backend = AsNorm(backend=Cosine(center=False), top_n=top_n)
        backend.fit(*cohort)
        parts = dataclasses.replace(sure.parts, backend=backend, scoring={"top_n": top_n})
        verifier = Verifier(parts)
        gallery = Gallery.open(tmp_path, verifier)
        if top_n == 5:
            gallery.enroll("anna", [voice(0)], gates=None)
        found[top_n] = gallery.identify(voice(0, take=9)).candidates[0].score
        assert found[top_n] == pytest.approx(verifier.verify(voice(0), voice(0, take=9)).score, abs=1e-5)
    assert found[5] != pytest.approx(found[20], abs=1e-2)
