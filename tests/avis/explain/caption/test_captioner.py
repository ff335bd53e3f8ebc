"""How much of a caption a record bears out."""

import pytest

from avis.explain.caption.captioner import Checked, true_text
from avis.explain.record import Caption
from avis.explain.text import lint
from avis.explain.text.sentences import foretold
from tests.avis.explain.text.records import Drawing, realistic


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("The evidence speaks for one speaker.", (1, 1, 1)),
        ("The evidence speaks for two speakers.", (1, 1, 0)),
        ("The evidence speaks for one speaker. The evidence speaks for two speakers.", (2, 2, 1)),
        ("Median pitch among voices: middle third in the enrolment, upper third in the test.", (2, 2, 1)),
        ("First formant (median) among voices: middle third in the test, alike in both.", (2, 0, 0)),
        ("Median pitch among voices: alike in both.", (1, 1, 1)),
        ("Median pitch among voices: higher in the test.", (1, 1, 0)),
        ("It is 12 times more likely if one person spoke.", (1, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_statements_are_counted_by_what_the_record_has(text, counts):
    checked = Checked.of(text, true_text(realistic()))
    assert (len(checked.said), checked.num_known, checked.num_borne_out) == counts


@pytest.mark.parametrize("seed", range(40))
def test_all_is_borne_out_of_what_the_linter_finds_no_fault_in(seed):
    record = Drawing(seed).explanation()
    assert lint(foretold(record), record) == []
    checked = Checked.of(true_text(record), true_text(record))
    assert len(checked.said) == checked.num_borne_out
    assert "" not in {each.slot for each in checked.said}


def test_words_for_the_ratio_are_of_one_scale_whatever_the_records():
    assert '"moderately strong support for one speaker"' in true_text(realistic(verbal="some support"))
    assert "scale" not in true_text(realistic(llr=None, llr_interval=None))


def test_neither_names_nor_numbers_are_foretold():
    text = true_text(realistic())
    assert not any(each.isdecimal() for each in text)
    assert "known.wav" not in text
    assert "p231" not in text


@pytest.mark.slow
def test_a_caption_has_what_it_is_worth_with_it(taught, made_up):
    pairs, texts = made_up
    assert taught.caption(pairs[0], realistic(llr=2.0)) == Caption(
        text=texts[0], num_statements=3, num_checked=3, num_borne_out=1, precision=0.5, baseline=0.5
    )
