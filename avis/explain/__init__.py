"""Why a verdict came out as it did: what moved the score, what can be heard, and how far to trust it."""

from avis.explain.explain import explain
from avis.explain.identification import explain_identification
from avis.explain.listen import clips, write_clips
from avis.explain.page.trial import trial_page
from avis.explain.record import Explanation
from avis.explain.scale import ENFSI_2015, Scale
from avis.explain.text import describe, sentences

__all__ = [
    "ENFSI_2015",
    "Explanation",
    "Scale",
    "clips",
    "describe",
    "explain",
    "explain_identification",
    "sentences",
    "trial_page",
    "write_clips",
]
