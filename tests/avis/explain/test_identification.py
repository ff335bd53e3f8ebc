"""Why somebody of a gallery and not the next."""

import pytest

from avis.explain.identification import explain_identification
from avis.verifier import Gallery, Verifier
from tests.avis.conftest import RATE, talk


@pytest.mark.parametrize("keep_audio", [True, False])
def test_what_speaks_for_the_first_rather_than_the_second_is_the_margin(parts, tmp_path, keep_audio):
    gallery = Gallery.open(tmp_path / "gallery", Verifier(parts), keep_audio=keep_audio)
    gallery.enroll("anna", [(talk(1), RATE), (talk(2), RATE)], gates=None)
    gallery.enroll("bert", [(talk(5), RATE)], gates=None)
    why = explain_identification(gallery, (talk(1, duration_s=4.0), RATE))
    first, second = why.candidates
    assert {first.speaker, second.speaker} == {"anna", "bert"}
    assert sum(bar.llr for bar in why.difference) == pytest.approx(why.margin, abs=2e-4)
    assert len([bar for bar in why.difference if bar.part.startswith("test ")]) == 4
    enrolled = {each.side for each in first.explanation.segments}
    assert enrolled == ({"enroll", "test"} if keep_audio else {"test"})


def test_where_there_is_nobody_else_there_is_no_margin(parts, tmp_path):
    gallery = Gallery.open(tmp_path / "gallery", Verifier(parts))
    gallery.enroll("anna", [(talk(1), RATE)], gates=None)
    why = explain_identification(gallery, (talk(1), RATE))
    assert [each.speaker for each in why.candidates] == ["anna"]
    assert (why.margin, why.difference) == (None, [])
