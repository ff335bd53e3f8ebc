"""A trained model in use: embed recordings, compare two, and decide, or say that it cannot be decided."""

from avis.verifier.embedder import Voiceprint
from avis.verifier.verdict import Verdict
from avis.verifier.verifier import Verifier
from avis.verifier.windows import Windows

__all__ = ["Verdict", "Verifier", "Voiceprint", "Windows"]
