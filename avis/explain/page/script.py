"""Scripts of pages: none is needed to read one, and no other runs in it."""

import base64
import hashlib
import importlib.resources
from typing import NamedTuple

from markupsafe import Markup


class Script(NamedTuple):
    """A script, and how the page's policy names it.

    Attributes
    ----------
    source : Markup
    policy : Markup
        The one source that the page may run: what somebody smuggled into a name is not it.
    """

    source: Markup
    policy: Markup


def script(name: str, *, package: str = "avis.explain.page") -> Script:
    """Return the script of a file that lies here, or beside the code of another package."""
    source = importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8").strip()
    assert "</" not in source, f"a script that ends itself: {name}"
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return Script(Markup(source), Markup(f"'sha256-{digest}'"))
