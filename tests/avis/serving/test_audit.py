"""What is written down."""

import json
from datetime import datetime

from avis.serving.audit import Audit


def test_each_line_says_who_what_when_and_by_which_model(tmp_path):
    file = tmp_path / "logs" / "audit.jsonl"
    Audit(str(file), model="0" * 64).write("desk", "verify", "match")
    Audit(str(file), model="1" * 64).write("people", "remove", "removed", speaker="änna\n")
    first, second = map(json.loads, file.read_text().splitlines())
    assert datetime.fromisoformat(first.pop("at")).utcoffset().total_seconds() == 0
    assert first == {"who": "desk", "action": "verify", "outcome": "match", "model": "0" * 64}
    assert (second["speaker"], second["model"]) == ("änna\n", "1" * 64)
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_is_told_and_undoes_nothing(capsys):
    Audit("/dev/full", model="0" * 64).write("desk", "enrol", "taken", speaker="anna")
    assert "warning: not written to the audit log, No space left on device: {" in capsys.readouterr().err


def test_nothing_is_written_where_none_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Audit(None, model="0" * 64).write("desk", "verify", "match")
    assert list(tmp_path.iterdir()) == []
