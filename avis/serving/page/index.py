"""The page on which people compare, name and enrol voices by a browser, with nothing outside the file."""

from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from avis.audio import quality
from avis.explain.page.script import script
from avis.reports.html import render
from avis.scoring.calibration import MAX_SPEECH_S
from avis.verifier.gallery.gates import Gates
from avis.verifier.verdict import MOST_SPELT

SCRIPTS = (
    "elements",
    "service",
    "sound",
    "microphone",
    "recorder",
    "words",
    "answers",
    "views",
    "gallery",
    "live",
    "tabs",
)
"""In the order in which they run; each knows those before it."""
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""What of the page's policy no page can say of itself, and that a newer one is asked for."""


def index_page(title: str) -> str:
    """Return the page; it needs the service that it comes from, and nothing else."""
    scripts = [script(f"{name}.js.j2", package=__package__) for name in SCRIPTS]
    of_reasons = script("play.js.j2")  # which are shown within, by the same policy
    return render(
        "index.html.j2",
        package=__package__,
        title=title,
        scripts=scripts,
        capture=script("capture.js.j2", package=__package__).source,
        policy=Markup(" ").join(each.policy for each in (*scripts, of_reasons)),
        given=_given(),
    )


def _given() -> dict[str, Any]:
    """Return the numbers that scripts go by."""
    of_speech = (
        "FRAME_S",
        "HOP_S",
        "FLOOR_DBFS",
        "DIGITAL_SILENCE_DBFS",
        "NOISE_PERCENTILE",
        "SPEECH_PERCENTILE",
        "MIN_RANGE_DB",
        "THRESHOLD_SHARE",
        "MIN_RISE_DB",
        "CLIP_LEVEL",
    )
    return {
        "rule": {name.lower(): getattr(quality, name) for name in of_speech},
        "gates": asdict(Gates()),
        "most_spelt": MOST_SPELT,
        "most_speech_s": MAX_SPEECH_S,
    }
