"""`avis calibrate`: what to expect on one's own voices, and a model that decides there."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk

MODEL = ("--model", "outputs/runs/demo")


@pytest.fixture
def voices(tmp_path):
    """Return what writes a folder of people, each with a pitch of their own: ``voices(5)``."""

    def made(num_people, num_recordings=2):
        rng = np.random.default_rng(0)
        for person in range(num_people):
            (tmp_path / "voices" / f"p{person}").mkdir(parents=True)
            for each in range(num_recordings):
                noisy = talk(10 + person, 2.5) + 0.0005 * rng.normal(size=int(2.5 * RATE)).astype(np.float32)
                sf.write(tmp_path / "voices" / f"p{person}" / f"{each}.wav", noisy, RATE)
        return "voices"

    return made


def test_it_tells_what_to_expect_and_leaves_a_model(avis, voices):
    status, out, _ = avis("calibrate", voices(5), *MODEL, "--out", "mine")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "5 people, 2 recordings each: 5 pairs of one person, 40 of two."
    assert "False rejects: none in 5, so at most 45 % of pairs of one person." in lines
    assert any(line.startswith("With 1 s of speech (5 people): ") for line in lines)
    assert lines[-1].endswith("/mine")
    assert Verifier.load(lines[-1]).verify("voices/p0/0.wav", "voices/p1/0.wav").outcome in ("no_match", "unsure")
    assert "one's own voices (5 people, 2 recordings each)" in avis("card", "--model", "mine")[1]


def test_json_is_one_object(avis, voices):
    status, out, _ = avis("calibrate", voices(5), *MODEL, "--out", "mine", "--json")
    told = json.loads(out)
    assert status == 0
    assert told["folder"].endswith("/mine")
    assert told["whole"]["false_rejects"]["num_trials"] == 5


def test_voices_that_cannot_carry_a_decision_are_3(avis, voices, tmp_path):
    status, out, _ = avis("calibrate", voices(5), *MODEL, "--p-target", "0.01", "--out", "mine")
    assert status == 3
    assert "Nothing can be decided: a threshold of 99 is beyond the ratios that these voices bear out" in out
    assert "5 people: at best 1 in 3 false accepts" in out
    assert not (tmp_path / "mine").exists()
    assert json.loads(avis("calibrate", "voices", *MODEL, "--p-target", "0.01", "--json")[1])["refusal"]


def test_people_are_listed_in_a_file(avis, voices, tmp_path):
    voices(4)
    listed = [f"Zoe {person}\tp{person}/{each}.wav" for person in range(4) for each in range(2)]
    (tmp_path / "voices" / "people.txt").write_text("\n".join(listed) + "\n\n")
    status, out, _ = avis("calibrate", "voices/people.txt", *MODEL)
    assert status in (0, 3)
    assert out.startswith("4 people, 2 recordings each")
    (tmp_path / "voices" / "people.txt").write_text("Zoe p0/0.wav\n")
    assert "no person and path: got 'Zoe p0/0.wav'" in avis("calibrate", "voices/people.txt", *MODEL)[2]
    (tmp_path / "voices" / "people.txt").write_text("\n")
    assert "nobody listed" in avis("calibrate", "voices/people.txt", *MODEL)[2]


def test_what_is_wrong_with_the_voices_is_one_error(avis, voices, tmp_path):
    folder = voices(1)
    status, out, err = avis("calibrate", folder, *MODEL)
    assert (status, out) == (2, "")
    assert "nothing to calibrate on: got 1 people" in err
    (tmp_path / "voices" / "p0" / "2.wav").write_text("no audio")
    assert "voices/p0/2.wav" in avis("calibrate", folder, *MODEL)[2]
    assert "root missing" in avis("calibrate", "nowhere", *MODEL)[2]
    assert "An operating point has a prior" in avis("calibrate", folder, *MODEL, "--p-target", "1.5")[2]


@pytest.mark.slow
def test_the_command_starts_without_ray():
    code = "import sys, avis.cli, avis.verifier.own_voices.calibrate; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_of_something_else_is_not_written_into(avis, voices, tmp_path):
    (tmp_path / "README.md").write_text("my project")
    status, _, err = avis("calibrate", voices(5), *MODEL, "--out", ".")
    assert (status, "folder of something else" in err) == (2, True)
    assert (tmp_path / "README.md").read_text() == "my project"
