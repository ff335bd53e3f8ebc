"""Find the pages that explain trials, where there are some beside a report."""

import contextlib
import posixpath
from urllib.parse import quote

from avis import location, store
from avis.run_folder import EXPLANATIONS, INDEX_PAGE

SCORES = "scores"
"""Key of a manifest of pages: the scores table, by its name, whose trials they explain."""


def pages_of(scores: str, out: str) -> dict[int, str]:
    """Return the pages of trials of a scores table: by their numbers in it, as a link from a folder.

    Where a trial has several, it is the one that was asked for last.

    Parameters
    ----------
    scores : str
        See `avis.evaluation.score_table.ScoreTable`.
    out : str
        Folder of the report.
    """
    found: dict[int, str] = {}
    for name in sorted(location.names_in(location.join(out, EXPLANATIONS)), key=lambda name: _asked_ns(out, name)):
        folder = location.join(out, EXPLANATIONS, name)
        with contextlib.suppress(ValueError):  # unfinished, or none of AVIS's
            if store.open_manifest(folder).get(SCORES) == table_name(scores):
                pages = [page.removesuffix(".html") for page in location.names_in(folder) if page.endswith(".html")]
                numbers = [int(page) for page in pages if page.isdecimal()]
                found |= {number: quote(f"{EXPLANATIONS}/{name}/{number}.html") for number in numbers}
    return found


def table_name(scores: str) -> str:
    """Return the name of a scores table, which tells it from those of other lists and models.

    >>> table_name("runs/demo/scores/vox1.o-1a2b3c4d5e6f")
    'vox1.o-1a2b3c4d5e6f'
    """
    return posixpath.basename(location.split_query(scores)[0].rstrip("/"))


def _asked_ns(out: str, name: str) -> int:
    return location.look_up(location.join(out, EXPLANATIONS, name, INDEX_PAGE)).mtime_ns or 0
