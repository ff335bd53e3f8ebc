"""A page taken apart: what its figures, tables and drawings say."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = ("meta", "img", "link", "br", "input")


@dataclass
class Figure:
    """What is under one heading of the third level."""

    heading: str = ""
    words: str = ""
    labels: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    folds: int = 0
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


class Document(HTMLParser):
    """Reads a page, and checks on the way that its tags are closed in order and that every drawing is described."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.figures: dict[str, Figure] = {}
        self.figure: Figure | None = None
        self.rows: list[list[str]] = []
        self.said: list[str] = []
        self.script = ""
        self.feed(text)
        self.close()
        assert self.open == []
        self.words = tidy("".join(self.said))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.elements.append((tag, told))
        self.attributes += [(tag, name, value) for name, value in told.items()]
        if tag not in VOID:
            self.open.append((tag, told))
        if tag == "figure":
            self.figure = Figure()
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag == "svg":
            assert any("aria-label" in attributes for _, attributes in self.open), "a drawing that is not described"
        if self.figure is not None:
            self.figure.elements.append((tag, told))
            self.figure.folds += tag == "details"
            if told.get("role") == "img":
                assert told["aria-label"]
                self.figure.labels.append(told["aria-label"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag
        self.said.append(" ")
        if tag == "thead" and self.figure is not None:
            self.figure.columns = self.rows.pop()
        if tag == "table" and self.figure is not None:
            self.figure.rows, self.rows = self.rows, []
        if tag == "figure" and self.figure is not None:
            self.figure.words = tidy(self.figure.words)
            self.figures[tidy(self.figure.heading)] = self.figure
            self.figure = None

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.open]
        if inside[-1:] == ["script"]:
            self.script += data
            return
        if inside[-1:] == ["style"]:
            return
        self.said.append(data)
        if inside and inside[-1] in ("h1", "h2", "h3"):
            level, before = self.headings[-1]
            self.headings[-1] = (level, before + data)
        if self.figure is not None:
            self.figure.words += f" {data}"
            if inside[-1:] == ["h3"]:
                self.figure.heading += data
        if self.rows and self.rows[-1] and ("td" in inside or "th" in inside):
            self.rows[-1][-1] = tidy(f"{self.rows[-1][-1]} {data}")

    def attributes_of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def tidy(text: str) -> str:
    """Return text with plain spaces, signs and dashes."""
    plain = text.translate({0xA0: " ", 0x2212: "-", 0x2013: "-"})
    return re.sub(r"\s+", " ", plain).strip()


def number(text: str) -> float:
    return float(tidy(text).replace(",", ""))
