"""What the Markdown files say is there: links, paths, names, code, commands; and no line is too long."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from avis.engine.multirun import expand, is_multirun
from tests.compositions import composed

ROOT = Path(__file__).parents[1]
FOLDERS = ["", "avis", "cluster", "configs", "pipelines", "pipelines/benchmarks"]
DOCUMENTS = {str(path.relative_to(ROOT)): path for folder in FOLDERS for path in (ROOT / folder).glob("*.md")}
TEXTS = {name: path.read_text() for name, path in DOCUMENTS.items()}
IN_AVIS = TEXTS["avis/README.md"]


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def commands() -> list[str]:
    """Return the commands of indented blocks that start a pipeline and leave nothing to fill in."""
    joined = "\n".join(TEXTS.values()).replace("\\\n", " ")
    starts = re.findall(r"^    (?:.* )?python (pipelines/.*?)(?: +#.*)?$", joined, re.MULTILINE)
    return sorted({start for start in starts if "<" not in start})


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"configs/README.md"}))  # whose tables are wide
def test_no_line_is_too_long(name: str):
    assert [line for line in TEXTS[name].split("\n") if len(line) > 120] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str):
    targets = re.findall(r"\]\(([^)#]+)\)|<img src=\"([^\"]+)\"", TEXTS[name])
    local = [link or image for link, image in targets if "://" not in link]
    assert [target for target in local if not (DOCUMENTS[name].parent / target).exists()] == []


def test_the_tree_of_the_library_is_whole():
    named = set(re.findall(r"^    ([a-z_]+(?:\.py|/)) ", section(IN_AVIS, "The tree"), re.MULTILINE))
    there = {f"{path.name}/" for path in (ROOT / "avis").iterdir() if (path / "__init__.py").exists()}
    assert {entry for entry in named if entry.endswith("/")} == there
    assert all((ROOT / "avis" / entry).exists() for entry in named)
    rooms = set(re.findall(r"^      ([a-z_]+)/ ", section(IN_AVIS, "The tree"), re.MULTILINE))
    assert rooms == {path.parent.name for path in (ROOT / "avis" / "engine").glob("*/__init__.py")}


@pytest.mark.parametrize("row", re.findall(r"^\| .*avis/.* \|$", section(IN_AVIS, "Where is ...?"), re.MULTILINE))
def test_names_are_where_they_are_said_to_be(row: str):
    quoted = re.findall(r"`([^`]+)`", row)
    code = "\n".join((ROOT / path).read_text() for path in quoted if "/" in path)
    names = [name for name in quoted if "/" not in name]
    assert names
    assert [name for name in names if not re.search(rf"^(class|def) {name}\b|^{name} = ", code, re.MULTILINE)] == []


@pytest.mark.parametrize("path", re.findall(r"`([\w/]+\.(?:py|yaml))`", IN_AVIS + TEXTS["CONTRIBUTING.md"]))
def test_files_are_there(path: str):
    folders = ("", "avis", "avis/training", "tests/avis/losses", "tests/avis/scoring")
    assert any((ROOT / folder / path).exists() for folder in folders)


@pytest.mark.parametrize("block", re.findall(r"```\w+\n# (.*?)```", TEXTS["CONTRIBUTING.md"], re.DOTALL))
def test_examples_are_the_code(block: str):
    path, *lines = block.rstrip().split("\n")
    code = (ROOT / path).read_text().split("\n")
    assert [line for line in lines if line not in code] == []


@pytest.mark.parametrize("command", commands())
def test_commands_fit_the_configuration(command: str):
    script, *overrides = shlex.split(command)
    name = Path(script).stem
    if name == "benchmark":
        name, overrides = "train", overrides[1:]
    for of_run in expand(overrides, ROOT / "configs", name) if is_multirun(overrides) else [overrides]:
        assert composed(name, *of_run)


def test_what_to_cite_is_what_is_installed():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text()
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
