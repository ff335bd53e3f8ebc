"""The command `avis`, run in a folder with the verifier of a run."""

import pytest

from avis import cli
from avis.verifier.folder import write_folder


@pytest.fixture
def avis(parts, tmp_path, monkeypatch, capsys):
    """Return what runs the command in a folder with a run: status, what was printed, and what was said beside it."""
    monkeypatch.chdir(tmp_path)
    write_folder(str(tmp_path / "outputs" / "runs" / "demo" / "verifier"), parts)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["avis", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run
