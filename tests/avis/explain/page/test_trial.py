"""The page of an explanation: all of the record is there, in order, described and escaped, and needs nothing else."""

import base64
import hashlib
import io
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from avis.explain.page.trial import trial_page
from avis.explain.record import Explanation
from avis.explain.text import sentences
from tests.avis.conftest import RATE, talk
from tests.avis.explain.page import records
from tests.avis.explain.page.document import Document, number

MATCH, SEVERAL, UNCALIBRATED, NOT_HEARD = (
    records.match(),
    records.no_match_of_several(),
    records.uncalibrated(),
    records.not_heard(),
)
ALL = {"match": MATCH, "several": SEVERAL, "uncalibrated": UNCALIBRATED, "not heard": NOT_HEARD}
PRESETS = ("engineer", "researcher", "examiner")


def recording(seed: int, duration_s: float, container: str = "WAV") -> bytes:
    file = io.BytesIO()
    sf.write(file, talk(seed, duration_s=duration_s), RATE, format=container)
    return file.getvalue()


AUDIO = {("enroll", 0): recording(1, 4.0), ("test", 0): recording(2, 5.2, "FLAC")}


@pytest.mark.few(4)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("which", ALL)
def test_whatever_is_missing_a_page_is_well_formed_and_says_no_nonsense(which, preset) -> None:
    text = trial_page(ALL[which], preset=preset)
    words = Document(text).words.lower()
    for nonsense in ("none none", "nan", "inf ", "undefined", "{", "}"):
        assert nonsense not in words
    assert len(text.encode()) < 300_000


def test_the_layers_stand_in_order_and_are_told_apart() -> None:
    page = Document(trial_page(MATCH))
    assert [heading for level, heading in page.headings if level == 2] == [
        "Before you rely on this",
        "What moved the score",
        "What can be heard",
        "How far to trust it",
    ]
    assert list(page.figures) == [
        "How the log-likelihood ratio adds up",
        "Enrolment: /voices/enroll/0.flac",
        "Test: /voices/test/0.flac",
        "What each segment finds in each of the other side",
        "What windows find in each other, each heard alone",
        "Segments, one by one",
        "Bands of frequencies",
        "If the recordings were otherwise",
        "The voices",
        "What the voices sound like",
        "Other voices",
        "Among the trials of the calibration",
        "The recordings",
        "What decided",
        "How the numbers are meant",
    ]
    assert "Observations, not causes" in page.words
    assert "A share of the final score, not the effect of deleting" in page.words


@pytest.mark.parametrize("which", ALL)
def test_headings_leave_no_level_out(which) -> None:
    levels = [level for level, _ in Document(trial_page(ALL[which])).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_every_drawing_has_its_numbers_behind_it() -> None:
    drawn = [figure for figure in Document(trial_page(MATCH, audio=AUDIO)).figures.values() if figure.labels]
    assert len(drawn) == 9
    assert all(figure.folds == 1 and figure.rows for figure in drawn)


def test_the_title_tells_apart_what_was_compared() -> None:
    assert Document(trial_page(MATCH)).headings[0] == (1, "enroll/0.flac compared with test/0.flac")
    assert Document(trial_page(SEVERAL)).headings[0] == (1, "enroll/0.flac with 2 more compared with test/0.flac")


def test_the_verdict_and_its_warnings_come_first() -> None:
    words = Document(trial_page(MATCH)).words
    said = [
        "Same speaker",
        "The evidence is 200 times more likely if one person spoke (between 50 and 610).",
        "Accepted at your threshold of 1.",
        "In words: moderately strong support for one speaker",
        "+5.31",
        "+3.91 to +6.41 (95 %)",
        "The second recording is noisy: 8.1 dB.",
        "What moved the score",
    ]
    places = [words.index(each) for each in said]
    assert places == sorted(places)


def test_an_examiner_is_told_no_decision() -> None:
    page = Document(trial_page(MATCH, preset="examiner"))
    for decided in ("Accepted", "Rejected", "Same speaker", "hreshold", "Decision", "decided", "Unsure"):
        assert decided not in page.words
    assert "200 to 1 for one person" in page.words
    assert "First proposition: one person spoke" in page.words
    assert "101 speakers" in page.words
    assert "Probability" not in page.words
    assert (
        "Probability of one person 67 % where it was 1.0 % before"
        in Document(trial_page(MATCH.model_copy(update={"prior": 0.01}), preset="examiner")).words
    )


def test_an_engineer_is_spared_the_checks() -> None:
    page = Document(trial_page(MATCH, preset="engineer"))
    assert "What windows find in each other, each heard alone" not in page.figures
    assert page.figures["Segments, one by one"].columns == ["Segment", "Share", "Cut out", "Levelled", "Noise instead"]
    assert "Gradient" not in page.words


def test_segments_are_told_as_the_record_has_them() -> None:
    figure = Document(trial_page(SEVERAL)).figures["Segments, one by one"]
    assert figure.columns == ["Segment", "Share", "Cut out", "Levelled", "Noise instead", "Shapley", "Gradient"]
    for row, segment in zip(figure.rows, SEVERAL.segments, strict=True):
        named = "Test" if segment.side == "test" else f"Enrolment {segment.recording + 1}"
        assert row[0] == f"{named} {segment.start_s:.1f}-{segment.end_s:.1f} s"
        values = [segment.llr, *segment.removed.values(), segment.shapley, segment.gradient]
        assert [number(cell) for cell in row[1:]] == pytest.approx(values, abs=0.00501)


def test_what_a_model_cannot_tell_has_no_column() -> None:
    figure = Document(trial_page(UNCALIBRATED)).figures["Segments, one by one"]
    assert figure.columns == ["Segment", "Cut out", "Levelled", "Noise instead"]


def test_bands_counterfactuals_voices_and_quality_are_told_as_the_record_has_them() -> None:
    figures = Document(trial_page(MATCH)).figures
    bands = {(band.side, band.low_hz): band.removed for band in MATCH.bands}
    for row, low_hz in zip(figures["Bands of frequencies"].rows, records.EDGES_HZ[:-1], strict=True):
        assert row[0].startswith(f"{low_hz:,}-")
        expected = [bands["enroll", low_hz], bands["test", low_hz]]
        assert [number(cell) for cell in row[1:]] == pytest.approx(expected, abs=0.00501)
    assert figures["If the recordings were otherwise"].rows == [
        ["half of the speech", "+3.19", "-2.12", "24 times more likely if one person spoke", "Unsure"],
        ["at 8 kHz", "+4.25", "-1.06", "70 times more likely if one person spoke", "Same speaker"],
        ["with only a tenth of the speech", "—", "—", "—", "Not heard"],
    ]
    assert figures["The voices"].rows[0] == ["Median pitch (Hz)", "112", "119", "38", "51", "+0.62"]
    assert figures["The voices"].rows[3] == [
        "Harmonics-to-noise ratio (median), up to 4 kHz (dB)",
        "14.2",
        "—",
        "82",
        "—",
        "—",
    ]
    quality = {row[0]: row[1:] for row in figures["The recordings"].rows}
    assert quality["Duration (s)"] == ["4.00", "5.20"]
    assert quality["Speech (s)"] == ["3.20", "4.16"]
    assert quality["Bandwidth (Hz)"] == ["7,612", "7,612"]
    assert quality["Clipping (% of samples)"] == ["0.021", "0.021"]


def test_guesses_are_told_with_how_often_they_are_right() -> None:
    figure = Document(trial_page(MATCH)).figures["What the voices sound like"]
    assert figure.rows == [["Gender", "f: 93.0 % [81.0, 98.0]", "unclear", "91.0 [84.0, 95.0]", "50.0"]]
    assert "never evidence, and in no score" in figure.words
    assert "What the voices sound like" not in Document(trial_page(MATCH.model_copy(update={"guesses": []}))).figures
    evil = MATCH.guesses[0].model_copy(update={"value": "<script>alert(1)</script>"})
    assert "<script>alert" not in trial_page(MATCH.model_copy(update={"guesses": [evil]}))


def test_other_voices_are_told_with_the_rank_in_words() -> None:
    figure = Document(trial_page(MATCH)).figures["Other voices"]
    assert (
        "Of 312 other voices none is at least as like the test as the enrolment is (rank p = 0.0032)." in figure.words
    )
    assert "4 of the 10 nearest voices are the same on both sides." in figure.words
    assert figure.rows[1] == ["2", "voice 001", "+0.428", "voice 003", "+0.351"]


def test_what_decided_can_be_looked_up() -> None:
    facts = dict(Document(trial_page(MATCH)).figures["What decided"].rows)
    assert facts["Model (digest)"] == MATCH.model
    assert facts["Speakers of the calibration"] == "101"
    assert facts["Ratios are capped at"] == "-7.60 and +7.60"
    assert facts["SHA-256 of the samples, test"] == MATCH.sides[1].sha256
    meant = dict(Document(trial_page(MATCH)).figures["How the numbers are meant"].rows)
    with_spectrum = "With the mean spectrum in place of the test the evidence is -1.30."
    assert f"They miss 2.1 % of what they should add up to. {with_spectrum}" in meant["Gradient"]


def test_nobody_heard_is_a_page_too() -> None:
    words = Document(trial_page(NOT_HEARD)).words
    assert "Not heard 3.2 s and 0.0 s of speech, which is too little for an answer." in words
    assert "Nothing was scored, so that nothing moved a score." in words
    assert "Neither the voices nor others like them were measured." in words
    assert "No audio was given, so there is no spectrogram and nothing to play." in words


def test_without_calibration_there_is_a_score_and_no_ratio() -> None:
    page = Document(trial_page(UNCALIBRATED))
    assert "Unsure A score of 0.421, which nothing was calibrated to tell the meaning of." in page.words
    assert "The model allows no exact share of the evidence along the recording." in page.words
    assert "Log-likelihood ratio" not in page.words
    assert page.figures["The voices"].labels == []
    assert page.figures["If the recordings were otherwise"].columns == ["If there were", "Score", "Change", "Decision"]


def test_recordings_are_seen_and_played() -> None:
    page = Document(trial_page(MATCH, audio=AUDIO))
    figure = page.figures["Test: /voices/test/0.flac"]
    (player,) = figure.all("audio")
    kind, _, data = player["src"].partition(",")
    assert kind == "data:audio/flac;base64"
    assert base64.b64decode(data) == AUDIO["test", 0]
    picture = base64.b64decode(figure.all("image")[0]["href"].partition(",")[2])
    assert len(picture) <= 60_000
    stretches = {(button["data-start"], button["data-end"]) for button in figure.all("button")}
    own = [segment for segment in MATCH.segments if segment.side == "test"]
    strong = sorted(own, key=lambda segment: segment.llr or 0.0)[-3:]
    assert stretches == {(str(segment.start_s), str(segment.end_s)) for segment in strong}
    assert all("hidden" in button and button["data-audio"] == player["id"] for button in figure.all("button"))


def test_audio_of_another_record_or_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"audio of no recording that is explained: got \('test', 7\)"):
        trial_page(MATCH, audio={("test", 7): AUDIO["test", 0]})
    with pytest.raises(ValueError, match=r"not every browser plays.*At test 0"):
        trial_page(MATCH, audio={("test", 0): b"ID3 and so on"})
    with pytest.raises(ValueError, match="broken audio"):
        trial_page(MATCH, audio={("test", 0): b"RIFF and so on"})


def test_sentences_stand_in_their_layer() -> None:
    layers = {"causal": "What moved", "observed": "What can be heard", "quality": "How far", "result": "Before you"}
    text = [SimpleNamespace(text=f"It is {layer}.", layer=layer, facts=("llr", "threshold")) for layer in layers]
    page = Document(trial_page(MATCH, text=text))
    for layer, heading in layers.items():
        later = page.words.index(f"It is {layer}.")
        before = max(at for at in map(page.words.find, layers.values()) if at < later)
        assert page.words[before:].startswith(heading)
    assert ("p", "data-facts", "llr threshold") in page.attributes


def test_many_sentences_are_folded() -> None:
    text = [SimpleNamespace(text=f"Sentence {n}.", layer="causal", facts=()) for n in range(9)]
    page = Document(trial_page(MATCH, text=text))
    assert page.words.index("Sentence 5.") < page.words.index("All else in words") < page.words.index("Sentence 6.")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_page_needs_nothing_outside_it(preset) -> None:
    text = trial_page(MATCH, audio=AUDIO, preset=preset)
    page = Document(text)
    assert "http" not in text.replace("http-equiv", "")
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith("data:")
    (policy,) = (value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; media-src data:; script-src 'sha256-{digest}'"
        == policy
    )


HOSTILE = """</title></script><script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"""


def renamed(value: object, name: str) -> object:
    """Put a name in place of all free text of a record."""
    if isinstance(value, dict):
        literal = {"side", "kind", "outcome", "unit", "attribute"}
        changed = {key: each if key in literal else renamed(each, name) for key, each in value.items()}
        return changed | ({"quality": {name: 1.0}} if "quality" in value else {})
    if isinstance(value, list):
        return [renamed(each, name) for each in value]
    return name if isinstance(value, str) else value


@pytest.mark.parametrize("which", ALL)
def test_names_are_text_whatever_they_hold(which) -> None:
    plain = ALL[which].model_dump()
    hostile, harmless = (
        Explanation.model_validate(renamed(plain, name)) for name in (HOSTILE, "a name of some length")
    )
    page, expected = Document(trial_page(hostile)), Document(trial_page(harmless))
    assert page.tags == expected.tags
    assert [each[:2] for each in page.attributes] == [each[:2] for each in expected.attributes]
    assert page.script == expected.script
    assert "{{ 7 * 7 }}" in page.words


def test_records_with_nothing_in_them_are_pages() -> None:
    for outcome, unit in itertools.product(("match", "no_match", "unsure", "not_heard"), ("llr", "score")):
        bare = Explanation(model="", outcome=outcome, threshold=0.0, unit=unit, sides=[])
        for preset in PRESETS:
            assert Document(trial_page(bare, preset=preset)).figures


def test_zeros_are_drawn_as_well() -> None:
    flat = SEVERAL.model_copy(update={"prior": None}).model_dump()
    zeros = Explanation.model_validate(zeroed(flat) | {key: flat[key] for key in ("sides", "format", "cohort")})
    text = trial_page(zeros)
    assert "nan" not in Document(text).words.lower()
    assert not np.any(["nan" in value.lower() for _, name, value in Document(text).attributes if name != "content"])


def zeroed(value: object) -> object:
    if isinstance(value, dict):
        return {key: each if key.endswith("_s") else zeroed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [zeroed(each) for each in value]
    return 0.0 if isinstance(value, float) else value


def test_what_a_model_generated_is_in_a_box_of_its_own_and_not_for_an_examiner():
    label, text = "Generated by a model, not checked to be true", "Median pitch among voices: upper third in the test."
    caption = {"text": text, "num_statements": 1, "num_checked": 1, "num_borne_out": 0}
    told = Explanation(**{**MATCH.model_dump(), "caption": caption | {"precision": 0.612, "baseline": 0.5}})
    for preset in ("engineer", "researcher"):
        page = trial_page(told, text=sentences(told, preset), preset=preset)
        [box] = re.findall(r'<section class="generated">.*?</section>', page, re.DOTALL)
        assert label in box
        assert text in box
        assert "61 %" in box
        assert page.count(text) == 1
    examiner = trial_page(told, text=sentences(told, "examiner"), preset="examiner")
    assert label not in examiner
    assert text not in examiner
    assert label not in trial_page(MATCH)
