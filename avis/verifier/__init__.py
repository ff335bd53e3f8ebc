"""A trained model in use: embed recordings, compare two, say who speaks, or that it cannot be decided."""

from avis.verifier.gallery.enrolment import Enrolment
from avis.verifier.gallery.gallery import Gallery
from avis.verifier.gallery.gates import Gates
from avis.verifier.gallery.identification import Candidate, Identification
from avis.verifier.gallery.register import Register
from avis.verifier.own_voices.calibrate import OwnVoices, calibrate
from avis.verifier.own_voices.recording import OwnRecording
from avis.verifier.session import Session
from avis.verifier.verdict import Verdict
from avis.verifier.verifier import Verifier, Voiceprint
from avis.verifier.windows import Windows

__all__ = [
    "Candidate",
    "Enrolment",
    "Gallery",
    "Gates",
    "Identification",
    "OwnRecording",
    "OwnVoices",
    "Register",
    "Session",
    "Verdict",
    "Verifier",
    "Voiceprint",
    "Windows",
    "calibrate",
]
