"""An explanation in words: sentences that carry their facts, and a check that reads them back."""

from avis.explain.text.lint import Mismatch, lint
from avis.explain.text.sentences import Preset, Sentence, describe, sentences

__all__ = ["Mismatch", "Preset", "Sentence", "describe", "lint", "sentences"]
