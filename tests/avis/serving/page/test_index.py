"""The page as a file: it needs nothing else, runs no script but its own, and asks for endpoints that there are."""

import base64
import hashlib
import re

import pytest
from starlette.testclient import TestClient

from avis.explain.page.script import script
from avis.serving.ingress import application
from avis.serving.page.index import SCRIPTS, index_page
from tests.avis.explain.page.document import Document

PAGE = index_page("Who speaks")
DOCUMENT = Document(PAGE)
SOURCES = "\n".join(script(f"{name}.js.j2", package="avis.serving.page").source for name in SCRIPTS)


def policy():
    [stated] = [each["content"] for each in DOCUMENT.attributes_of("meta") if "http-equiv" in each]
    return {name: sources.split() for name, sources in (each.split(" ", 1) for each in stated.split("; "))}


def test_nothing_is_fetched_from_elsewhere():
    for tag, name, value in DOCUMENT.attributes:
        assert name not in ("src", "srcset"), (tag, name)
        assert not name.startswith("on"), (tag, name)
        assert name not in ("href", "action") or re.fullmatch("[a-z]+", value), (tag, name, value)
    assert not re.search(r"https?://(?! |\.)[a-z]", PAGE)
    stated = policy()
    assert stated["default-src"] == ["'none'"]
    assert stated["connect-src"] == ["'self'"]
    assert stated["form-action"] == stated["base-uri"] == ["'none'"]


def test_no_script_runs_but_those_of_the_page_and_of_the_reasons_within():
    sources = [(attributes, source) for attributes, source in re.findall(r"<script([^>]*)>(.*?)</script>", PAGE, re.S)]
    scripts = [source for attributes, source in sources if not attributes]
    assert len(scripts) == len(SCRIPTS)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    of_reasons = script("play.js.j2").policy
    assert policy()["script-src"] == [*(f"'sha256-{each}'" for each in digests), of_reasons, "blob:"]
    assert re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", SOURCES) is None


def endpoints():
    """Return the methods and paths that the scripts name."""
    called = r'call\((?:"(v1/[^"]+)"|(speakerPath)\(\w+\))(?:, \{ method: "(\w+)")?'
    for path, of_speaker, method in re.findall(called, SOURCES):
        yield method or "GET", "/v1/speakers/{speaker}" if of_speaker else f"/{path}"


def test_each_endpoint_that_the_scripts_ask_for_is_there():
    app = application(None)
    there = {(verb.upper(), path) for path, verbs in app.openapi()["paths"].items() for verb in verbs}
    named = set(endpoints())
    assert named <= there
    assert {path for _, path in named} == {
        f"/v1/{name}" for name in ("verify", "explain", "identify", "calibration", "speakers", "speakers/{speaker}")
    }
    assert SOURCES.count("call(") == len(list(endpoints())) + 1  # once it calls itself
    assert app.url_path_for("stream") == "/v1/stream"
    assert '"v1/stream"' in SOURCES


def test_it_is_served_without_a_token_and_in_no_frame():
    answer = TestClient(application(None)).get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_elements_are_where_the_scripts_look_for_them():
    ids = [value for _, name, value in DOCUMENT.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    looked_for = set(re.findall(r'(?:byId|copied|getElementById|ask)\("([\w-]+)"', SOURCES))
    assert len(looked_for) > 20
    assert looked_for <= set(ids)
    said = set(re.findall(r'data-say="(\w+)"', PAGE))
    assert said == {"why", "speaker", "num"}


@pytest.mark.parametrize("role", ["tab", "tabpanel"])
def test_tabs_and_panels_belong_together(role):
    by_id = {each["id"]: each for _, each in DOCUMENT.elements if "id" in each}
    of_role = [each for _, each in DOCUMENT.elements if each.get("role") == role]
    assert len(of_role) == 5
    for each in of_role:
        other = by_id[each["aria-controls" if role == "tab" else "aria-labelledby"]]
        assert other["aria-labelledby" if role == "tab" else "aria-controls"] == each["id"]


def test_each_field_has_a_label():
    fields = re.findall(r"<(?:input|meter|progress)[^>]*>", PAGE)
    assert len(fields) == 10
    for field in fields:
        assert re.search(rf"<label[^>]*>(?:(?!</label>).)*{re.escape(field)}", PAGE, re.S), field
