"""What a page is made of: parts with a drawing, the table of its numbers, or both."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from markupsafe import Markup


class Table(NamedTuple):
    """Text in rows; the first cell of each names it.

    Attributes
    ----------
    columns : sequence of str
    rows : sequence of sequence of str
    kind : str
        ``numbers``; ``cards``, of which each row is a card on a phone; ``long``, set in several columns; ``facts``, of
        a name and a text each, without a head.
    """

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    kind: Literal["numbers", "cards", "long", "facts"] = "numbers"


class Button(NamedTuple):
    """Plays a stretch of a recording."""

    start_s: float
    end_s: float
    text: str


class Player(NamedTuple):
    """Plays a recording.

    Attributes
    ----------
    id : str
    uri : Markup
        The recording itself.
    buttons : sequence of Button
    """

    id: str
    uri: Markup
    buttons: Sequence[Button]


class Part(NamedTuple):
    """One thing that is shown.

    Attributes
    ----------
    heading, reading : str
        What it is, and how to read it.
    drawing : Markup
        With a description; empty where there is nothing to draw. Then the table is shown, else folded behind it.
    table : Table
    notes : sequence of str
        Sentences below.
    player : Player or None
    """

    heading: str
    reading: str
    drawing: Markup = Markup("")
    table: Table = Table()
    notes: Sequence[str] = ()
    player: Player | None = None
