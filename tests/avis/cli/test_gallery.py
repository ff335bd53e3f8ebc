"""People are enrolled, named and looked after on the command line."""

import json

import pyarrow.parquet as pq
import pytest


def test_people_are_enrolled_and_named(avis, recording):
    anna, bob = (recording(seed, duration_s=6.0) for seed in (1, 2))
    status, out, _ = avis("enroll", "anna", anna, "--consent", "by letter", "--keep-until", "2999-12-31")
    assert (status, out) == (0, "anna: 1 taken, 1 in all\noutputs/gallery\n")
    assert avis("enroll", "bob", bob, "--all", "--json")[0] == 0
    status, out, err = avis("identify", anna, "--json")
    found = json.loads(out)
    assert found["candidates"][0]["speaker"] == "anna"
    assert status == {"match": 0, "not_enrolled": 1, "unsure": 3}[found["outcome"]]
    assert err.endswith("outputs/runs/demo/verifier\n"), "the model is the one that they were enrolled by"
    assert "anna" in avis("identify", anna, "--most", "1")[1]


def test_what_is_refused_is_named_and_an_error(avis, recording, tmp_path):
    (tmp_path / "notes.txt").write_text("no audio")
    status, out, _ = avis("enroll", "anna", recording(1, duration_s=6.0), "notes.txt", recording(2, duration_s=0.2))
    assert status == 2
    lines = out.splitlines()
    assert lines[0].startswith("refused: notes.txt: unreadable: not audio: got ")
    assert lines[1].startswith("refused: ")
    assert lines[2:] == ["anna: 1 taken, 1 in all", "outputs/gallery"]


def test_people_are_looked_after(avis, recording, tmp_path):
    for seed, name in enumerate(["anna", "bob", "carl"], start=1):
        avis("enroll", name, recording(seed, duration_s=6.0), "--all")
    assert avis("gallery", "rename", "bob", "robert")[1] == "bob is robert now\n"
    assert avis("gallery", "merge", "carl", "anna")[1] == "carl is anna now\n"
    assert avis("gallery", "export", "--out", "all.parquet")[1] == "3 recordings\nall.parquet\n"
    assert pq.read_table(tmp_path / "all.parquet")["speaker"].to_pylist() == ["anna", "anna", "robert"]
    assert avis("gallery", "remove", "robert")[1] == "robert is removed, 1 recording in all\n"
    status, out, err = avis("gallery", "list")
    assert (status, err) == (0, "1 enrolled\n")
    assert out.startswith("anna: 2 recordings, ")
    assert json.loads(avis("gallery", "list", "--json")[1])["recordings"][0]["speaker"] == "anna"
    assert avis("gallery", "purge")[1] == ""
    status, _, err = avis("gallery", "remove", "robert")
    assert (status, err.startswith("error: nobody of that name: got robert")) == (2, True)
    status, _, err = avis("gallery", "reembed")
    assert (status, "keeps none" in err) == (2, True)


def test_a_gallery_that_is_not_there_is_an_error(avis, recording):
    assert "no gallery: got no manifest.json" in avis("gallery", "list", "--gallery", "nowhere")[2]
    assert "nobody is enrolled" in avis("identify", recording(1), "--gallery", "nowhere")[2]


@pytest.mark.slow
def test_a_model_is_calibrated_on_who_is_enrolled(avis, recording):
    for seed in range(1, 6):
        for each in range(2):
            avis("enroll", f"person {seed}", recording(seed, duration_s=3.0 + each), "--all")
    status, out, _ = avis("calibrate", "outputs/gallery", "--json")
    assert status in (0, 3)
    assert json.loads(out)["num_people"] == 5


def test_a_gallery_has_nothing_fetched(avis, recording, tmp_path):
    avis("enroll", "anna", recording(1), "--all")
    manifest = tmp_path / "outputs" / "gallery" / "manifest.json"
    told = json.loads(manifest.read_text()) | {"verifier": "http://elsewhere.example/model"}
    manifest.write_text(json.dumps(told))
    status, _, err = avis("identify", recording(1))
    assert (status, "model elsewhere: got http://elsewhere.example/model" in err) == (2, True)
    assert avis("identify", recording(1), "--model", "outputs/runs/demo")[0] in (0, 1, 3)
