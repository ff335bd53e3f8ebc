"""What corpora tell of their speakers, each in its own words, comes to the same classes."""

import pytest

from avis.verifier.attributes.values import of_speaker, value


@pytest.mark.parametrize(
    ("attribute", "told", "expected"),
    [
        ("gender", {"gender": "f"}, "f"),
        ("gender", {"gender": "other"}, ""),
        ("age", {"age": "Twenties"}, "twenties"),
        ("age", {"age": "29"}, "twenties"),
        ("age", {"age": "30.0"}, "thirties"),
        ("age", {"age": "7"}, "under ten"),
        ("age", {"age": "104"}, ""),
        ("age", {"age": "1" * 5000}, ""),
        ("accent", {"accents": "United States English"}, "united states english"),
        ("accent", {"accent": "unknown", "dialect": "Scottish"}, "scottish"),
        ("accent", {"accent": "x" * 81}, ""),
        ("accent", {"accent": "a\x01b"}, ""),
        ("accent", {"language": "en"}, ""),
    ],
)
def test_what_is_told_of_an_utterance(attribute, told, expected):
    assert value(attribute, told) == expected


def test_a_speaker_is_what_all_utterances_that_tell_it_agree_on():
    assert of_speaker("age", [{}, {"age": "23"}, {"age": "twenties"}]) == "twenties"
    assert of_speaker("age", [{"age": "29"}, {"age": "30"}]) == ""
    assert of_speaker("age", []) == ""
