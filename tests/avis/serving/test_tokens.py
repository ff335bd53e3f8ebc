"""Who may do what."""

import pickle

import pytest

from avis.serving.tokens import Caller, Tokens

DESK, BOSS = "the front desk's own", "the one for everything"
FILE = f"tokens:\n  desk: {{token: {DESK}, scopes: [verify]}}\n  people: {{token: {DESK}2, scopes: [enrol, verify]}}\n"


def test_a_file_and_the_environment_name_callers(tmp_path, monkeypatch):
    (tmp_path / "tokens.yaml").write_text(FILE)
    monkeypatch.setenv("AVIS_TOKEN", BOSS.replace(" ", "-"))
    with pytest.raises(ValueError, match=r"got another tokens\.desk\.token"):  # which has blanks
        Tokens.read(str(tmp_path / "tokens.yaml"))
    (tmp_path / "tokens.yaml").write_text(FILE.replace(DESK, "the-front-desks-own"))
    tokens = Tokens.read(str(tmp_path / "tokens.yaml"))
    assert len(tokens) == 3
    assert tokens.caller("the-front-desks-own") == Caller("desk", frozenset(["verify"]))
    assert tokens.caller("the-front-desks-own2").may("enrol")
    assert not tokens.caller("the-front-desks-own").may("enrol")
    assert all(tokens.caller("the-one-for-everything").may(scope) for scope in ("verify", "enrol", "admin"))
    assert [tokens.caller(other) for other in (None, "", "the-front-desks-ow", "ü\udcff")] == [None] * 4


def test_tokens_themselves_are_not_kept():
    tokens = Tokens({DESK: Caller("desk", frozenset(["verify"]))})
    assert DESK.encode() not in pickle.dumps(tokens)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tokens: {a: {token: short, scopes: [verify]}}", "tokens.a.token"),
        ("tokens: {a: {token: long-enough-to-be-one, scopes: [all]}}", "tokens.a.scopes.0"),
        ("tokens: {a: {token: long-enough-to-be-one, scopes: []}}", "tokens.a.scopes"),
        ("tokens: {a: {token: long-enough-to-be-one}}", "tokens.a.scopes"),
        ("tokens: {}", "tokens"),
        ("- long-enough-to-be-one", "file"),
        ("tokens: {a: {token: long-enough-to-be-one, scopes: [verify], x: 1}}", "tokens.a.x"),
        ("{", "ParserError"),
    ],
)
def test_another_file_is_refused_without_a_word_of_what_it_holds(tmp_path, text, named):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"no tokens: got .*, expected .*\. At .*t\.yaml\. ") as refused:
        Tokens.read(str(tmp_path / "t.yaml"))
    assert named in str(refused.value)
    assert "long-enough-to-be-one" not in str(refused.value)


def test_one_token_has_one_name(tmp_path, monkeypatch):
    monkeypatch.setenv("AVIS_TOKEN", "long-enough-to-be-one")
    (tmp_path / "t.json").write_text('{"tokens": {"a": {"token": "long-enough-to-be-one", "scopes": ["verify"]}}}')
    with pytest.raises(ValueError, match="one token twice"):
        Tokens.read(str(tmp_path / "t.json"))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="no tokens: got FileNotFoundError"):
        Tokens.read(str(tmp_path / "none.yaml"))
