"""The command says of any file what the outcome is, or one clear error, in its exit status too."""

import json

import pytest

from avis.cli.arguments import STATUS
from tests.avis.bad_recordings import bad_recordings


def no_number(constant):
    raise AssertionError(f"{constant} in JSON")


@pytest.mark.slow
def test_a_bad_file_is_an_answer_or_one_clear_error(avis, recording, tmp_path):
    good, folder = recording(1), tmp_path / "bad"
    folder.mkdir()
    for name, bad, may in bad_recordings(folder, num=60):  # each kind once
        if not isinstance(bad, str):
            continue
        status, out, err = avis("verify", "--json", "--model", "outputs/runs/demo", "--", good, bad)
        assert "Traceback" not in err, name
        if status == 2:
            assert "error" in may, name
            assert (out, err.count("error: ")) == ("", 1), name
        else:
            verdict = json.loads(out, parse_constant=no_number)
            assert verdict["outcome"] in may, name
            assert (status, err) == (STATUS[verdict["outcome"]], ""), name
