"""What is told to whom, in which words, and on what grounds."""

import math

import pytest

from avis.acoustics.measure import ATTRIBUTES
from avis.explain.record import Attribute
from avis.explain.text import describe, lint, sentences
from avis.explain.text.facts import value_at
from avis.explain.text.sentences import PRESETS
from tests.avis.explain.text.records import Drawing, realistic, segment, side

UNCALIBRATED = {
    "unit": "score",
    "outcome": "unsure",
    "llr": None,
    "llr_interval": None,
    "llr_bounds": None,
    "verbal": None,
    "calibration": None,
    "num_calibration_speakers": None,
    "waterfall": [],
}


def told(preset, layer=None, **others):
    return [each.text for each in sentences(realistic(**others), preset) if layer in (None, each.layer)]


def test_an_engineer_gets_the_decision_then_reasons_then_warnings():
    text = told("engineer")
    assert text[0] == (
        "Same speaker: the evidence is 860 times more likely if one person spoke (between 160 and 990). Accepted at "
        "your threshold of 100."
    )
    assert text[1] == (
        "Before any cap, different people come to a factor of 17 for two speakers, as a rule; what is otherwise here "
        "is added to that."
    )
    assert text[2] == (
        "The strongest share for one speaker is a factor of 22, from 0.0 to 1.2 s of the enrolment; with it cut out, "
        "the evidence falls by a factor of 9."
    )
    assert (
        "The strongest share for two speakers is a factor of 1.9, from 2.1 to 3.3 s of the enrolment; with it cut out, "
        "the evidence rises by a factor of 1.6." in text
    )
    assert 'Scored again ("half of the speech"), the outcome would be: unsure.' in text
    assert "The second recording is noisy: the speech is 9 dB above the noise." in text
    assert [each.layer for each in sentences(realistic(), "engineer")] == sorted(
        (each.layer for each in sentences(realistic(), "engineer")), key=["result", "causal", "quality"].index
    )


def test_an_examiner_gets_propositions_population_ratio_and_scale():
    text = " ".join(told("examiner"))
    assert text.startswith("Proposition A: the person heard in the enrolment also speaks in the test. Proposition B: ")
    assert "The relevant population is that of the calibration: 42 speakers." in text
    assert (
        "The evidence is 860 times more likely if one person spoke (95 % interval: between 160 and 990). On the verbal "
        'scale, this is "moderately strong support for one speaker".' in text
    )


@pytest.mark.parametrize("seed", range(40))
def test_an_examiner_gets_neither_decision_nor_probability(seed):
    explanation = Drawing(seed).explanation().model_copy(update={"prior": None})
    for each in sentences(explanation, "examiner"):
        assert not {"outcome", "threshold", "prior"} & {*each.facts}
        assert not any(fact.endswith("/outcome") for fact in each.facts)
        assert "probability that" not in each.text


def test_a_probability_needs_a_prior():
    said = "If the probability was 1.0 % before, as you set it, the probability that one person spoke is now {}."
    odds = math.exp(6.7523) * 0.01 / 0.99
    for preset in PRESETS:
        assert said.format(f"{100 * odds / (1 + odds):.0f} %") in told(preset, prior=0.01)


def test_a_researcher_gets_additivity_removals_shapley_gap_and_routes():
    text = " ".join(told("researcher"))
    assert "These 9 parts add up to +6.75, which differs from the log-likelihood ratio by " in text
    assert (
        "From 0.0 to 1.2 s of the enrolment: a share of +3.10; cut out, the evidence falls by 2.20; levelled to the "
        "mean spectrum, the evidence falls by 2.60; replaced by noise, the evidence falls by 3.00; Shapley value "
        "+2.90; integrated gradient +2.50." in text
    )
    assert "Integrated gradients miss 3.1 % of the evidence." in text
    assert "Of all pairs of stretches, from 0.0 to 1.2 s of the enrolment and from 0.0 to 2.0 s of the test" in text
    without = " ".join(told("researcher", evidence=None, frames=[]))
    assert "What pairs of stretches share cannot be told exactly here." in without
    assert "The share along time cannot be told exactly here." in without


@pytest.mark.parametrize(("llr", "bound"), [(6.9, "990 for one speaker"), (-5.2, "180 for two speakers")])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_ratio_at_its_bound_is_called_capped(preset, llr, bound):
    said = f"This ratio is capped: the calibration bears out none beyond {bound}."
    interval = (min(llr, 1.0), max(llr, 1.0))
    assert said in told(preset, llr=llr, llr_interval=interval)
    assert "capped" not in " ".join(told(preset))


def test_one_of_several_recordings_is_named():
    recordings = [side("enroll", 3.0), side("enroll", 3.0, 1), side("test", 3.0)]
    segments = [segment("enroll", 0.0, 1.0, 2.0, 1), segment("test", 1.0, 2.0, -1.0)]
    text = " ".join(told("engineer", sides=recordings, segments=segments))
    assert "from 0.0 to 1.0 s of recording 2 of the enrolment" in text
    assert "from 1.0 to 2.0 s of the test" in text


def test_nobody_heard():
    heard = {**UNCALIBRATED, "unit": "llr", "outcome": "not_heard", "segments": []}
    assert told("engineer", **heard)[0] == (
        "Not heard: with 3.3 s of speech in the enrolment and 2.0 s of speech in the test, there is too little for an "
        "answer."
    )
    assert any(text.startswith("No likelihood ratio can be given: with 3.3 s") for text in told("examiner", **heard))


def test_a_warning_is_told_as_it_is_and_ended():
    warning = "The second recording: 0.0 s of speech, of which 0.5 s are the least"
    assert told("engineer", "quality", warnings=[warning])[0] == warning
    assert f"How far to trust it {warning}. There" in " ".join(
        describe(realistic(warnings=[warning]), "engineer").split()
    )


def test_where_nobody_is_heard_nothing_moved_the_score():
    assert not told("researcher", "causal", **UNCALIBRATED | {"outcome": "not_heard"})


def test_unsure():
    interval = (-math.log(2), math.log(200))
    assert told("engineer", outcome="unsure", llr=math.log(120), llr_interval=interval)[0] == (
        "Unsure: the evidence is 120 times more likely if one person spoke (between 2 for two people and 200 for one), "
        "which leaves open on which side of your threshold of 100 it is."
    )


def test_nothing_calibrated():
    segments = [segment("enroll", 0.0, 1.0, 0.1234)]
    text = told("engineer", **UNCALIBRATED, segments=segments)
    assert text[0] == "Unsure: a score of 6.214, which nothing was calibrated to tell the meaning of."
    assert text[1] == "The strongest share for one speaker is 0.123 of the score, from 0.0 to 1.0 s of the enrolment."
    assert text[2] == "No stretch has a share for two speakers."
    assert "No likelihood ratio can be given: nothing was calibrated to tell what the score means." in told(
        "examiner", **UNCALIBRATED
    )


def test_a_model_without_exact_route_is_told_by_removal():
    segments = [segment("enroll", 0.0, 1.0, None, removed={"splice": math.log(3)}), segment("test", 1.0, 2.0, None)]
    text = told("engineer", "causal", segments=segments)
    assert text[1:3] == [
        "Which stretches speak for which view cannot be told exactly here.",
        "With the stretch from 0.0 to 1.0 s of the enrolment cut out, the evidence falls most, by a factor of 3.",
    ]


def test_what_is_heard_is_no_cause():
    assert not any(each.layer == "observed" for each in sentences(realistic(), "engineer"))
    observed = told("researcher", "observed")
    assert observed[:2] == [
        "What can be heard is observed beside the score; it is no cause of it.",
        "Median pitch: 118 Hz in the enrolment (above 43 % of the population), 121 Hz in the test (above 47 % of the "
        "population).",
    ]
    assert not any(
        "acoustics" in fact
        for each in sentences(realistic(), "researcher")
        for fact in each.facts
        if each.layer != "observed"
    )


@pytest.mark.parametrize("preset", ["researcher", "examiner"])
def test_a_guess_says_that_it_is_no_evidence_and_how_often_it_is_right(preset):
    text = [each for each in told(preset, "observed") if "sounds like" in each or "a guess" in each]
    assert text == [
        "What a voice sounds like is guessed by the model; a guess is no evidence, and in no score.",
        'Gender: the enrolment sounds like "f", as do 93.0 % of such voices (95 % interval: 81 % to 98.7 %).',
        "Gender: what the test sounds like is unclear.",
        "Gender: such a guess is right for 91.0 % of speakers that it was not fitted on (95 % interval: 84 % to 96.0 %"
        "), by chance for 50 %.",
    ]
    assert not any("guess" in each for each in told(preset, "observed", guesses=[]))


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_is_measured_is_called_as_the_measurement_calls_it(name):
    unit, words, _ = ATTRIBUTES[name]
    record = realistic().model_copy(update={"acoustics": [Attribute(name=name, unit=unit, enroll=7.0, test=9.0)]})
    observed = [each for each in sentences(record, "researcher") if each.layer == "observed"]
    assert observed[1].text == f"{words[0].upper()}{words[1:]}: 7.00 {unit} in the enrolment, 9.00 {unit} in the test."
    assert lint(observed, record) == []


@pytest.mark.parametrize("seed", range(40))
def test_facts_are_there_and_facts_of_layers_are_kept_apart(seed):
    explanation = Drawing(seed).explanation()
    plain = explanation.model_dump()
    for preset in PRESETS:
        for each in sentences(explanation, preset):
            for fact in each.facts:
                value_at(plain, fact)
                if fact.startswith(("acoustics", "cohort", "guesses")):
                    assert each.layer == "observed"
                if fact.startswith(("segments", "waterfall", "bands", "counterfactuals")):
                    assert each.layer == "causal"
                if fact.startswith("warnings"):
                    assert each.layer == "quality"


def test_another_text_is_refused():
    with pytest.raises(ValueError, match="no such text: got preset='judge', expected one of engineer, researcher"):
        sentences(realistic(), "judge")


def test_it_is_described_in_paragraphs_by_layer():
    paragraphs = describe(realistic(), "engineer").split("\n\n")
    assert len(paragraphs) == 3
    assert paragraphs[0].startswith("Same speaker: ")
    assert paragraphs[1].startswith("What moved the score\nBefore any cap, different people ")
    assert paragraphs[2].startswith("How far to trust it\nThe second recording is noisy")
    assert max(len(line) for paragraph in paragraphs for line in paragraph.splitlines()) <= 80
