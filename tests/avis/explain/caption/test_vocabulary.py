"""Phrases of checked sentences, and no others."""

import pytest

from avis.explain.caption.captioner import true_text
from avis.explain.caption.vocabulary import END, Vocabulary
from tests.avis.explain.text.records import Drawing


def test_what_sentences_say_comes_back_letter_by_letter():
    texts = [true_text(Drawing(seed).explanation()) for seed in range(50)]
    vocabulary = Vocabulary.of(texts)
    assert [vocabulary.text(vocabulary.numbers(text)) for text in texts] == texts
    assert len(vocabulary) < 80


def test_a_text_goes_up_to_its_end():
    vocabulary = Vocabulary(("a:", " b."))
    assert vocabulary.text([1, 2, END, 1]) == "a: b."
    assert vocabulary.text([2, 2]) == " b. b."
    assert vocabulary.numbers("a: b.") == [1, 2, END]


def test_there_are_no_phrases_but_those_that_were_learnt():
    with pytest.raises(KeyError):
        Vocabulary.of(["It is so."]).numbers("It was so.")
