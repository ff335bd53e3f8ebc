"""The command that says why."""

import json
import os

import pytest
import soundfile as sf

from avis.cli.arguments import STATUS


def test_the_parts_of_a_ratio_add_up_to_it(avis, recording):
    status, out, _ = avis("explain", recording(1), recording(2), "--json", "--quick", "--model", "outputs/runs/demo")
    explanation = json.loads(out)
    verdict = json.loads(avis("verify", recording(1), recording(2), "--json", "--model", "outputs/runs/demo")[1])
    assert status == STATUS[explanation["outcome"]]
    assert sum(bar["llr"] for bar in explanation["waterfall"]) == pytest.approx(explanation["llr"], abs=1e-4)
    assert explanation["llr"] == pytest.approx(verdict["llr"], abs=1e-4)
    assert {each["side"] for each in explanation["segments"]} == {"enroll", "test"}


def test_reasons_are_told_for_whom_they_are(avis, recording):
    told = {
        preset: avis("explain", recording(1), recording(2), "--quick", "--preset", preset)[1]
        for preset in ("engineer", "examiner", "researcher")
    }
    assert "threshold" in told["engineer"]
    assert "Proposition A" in told["examiner"]
    assert "threshold" not in told["examiner"]
    assert "add up to" in told["researcher"]


def test_several_recordings_of_a_person_are_given_first(avis, recording):
    _, out, _ = avis("explain", recording(1), recording(3), recording(2), "--json", "--quick")
    sides = [(each["side"], each["recording"], each["name"]) for each in json.loads(out)["sides"]]
    assert sides == [("enroll", 0, recording(1)), ("enroll", 1, recording(3)), ("test", 0, recording(2))]


def test_a_page_and_sounds_are_written_where_they_are_wanted(avis, recording, tmp_path):
    page, folder = str(tmp_path / "why.html"), str(tmp_path / "clips")
    _, out, _ = avis("explain", recording(1), recording(2), "--quick", "--out", page, "--listen", folder)
    *clips, last = out.splitlines()[-len(os.listdir(folder)) - 1 :]
    assert last == page
    assert clips
    assert all(0 < sf.info(clip).duration < 3 for clip in clips)
    with open(page) as file:
        assert os.path.basename(recording(1)) in file.read()


@pytest.mark.parametrize("typed", [["a.wav"], ["-", "-"]])
def test_one_recording_has_nothing_to_be_compared_with(avis, recording, typed):
    status, _, err = avis("explain", *[recording(1) if each == "a.wav" else each for each in typed])
    assert status == 2
    assert "expected two or more" in err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--caption", "--quick"], "no captioner: got a verifier without caption/config.json"),
        (["--caption", "--preset", "examiner"], "nothing for an examiner: got --caption"),
    ],
)
def test_no_caption_is_shown_that_there_is_none_of_or_to_an_examiner(avis, recording, typed, said):
    status, out, err = avis("explain", recording(1), recording(2), *typed)
    assert status == 2
    assert said in err
    assert not out


def test_where_nobody_speaks_there_is_a_page_that_says_so(avis, recording, tmp_path):
    silence, page = str(tmp_path / "silence.wav"), str(tmp_path / "why.html")
    sf.write(silence, [0.0] * 32000, 16000)
    status, out, _ = avis("explain", silence, recording(2), "--out", page, "--listen", str(tmp_path / "clips"))
    assert status == STATUS["not_heard"]
    assert out.startswith("Not heard: ")
    assert out.splitlines()[-1] == page
    with open(page) as file:
        assert "Not heard" in file.read()
