"""A trained model in use: embed recordings, compare two, and decide, or say that it cannot be decided."""

from avis.verifier.verdict import Verdict
from avis.verifier.verifier import Verifier, Voiceprint

__all__ = ["Verdict", "Verifier", "Voiceprint"]
