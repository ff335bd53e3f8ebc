"""Recordings: spectrogram, shares along time, strong segments."""

import io

import numpy as np
import pytest
import soundfile as sf
from PIL import Image

from avis.explain.page.recording import recording_part
from avis.explain.page.sound import sound
from avis.explain.page.spectrogram import HEIGHT, WIDTH, spectrogram
from avis.explain.page.strongest import strongest, weigher
from avis.explain.record import Explanation, Frames, Segment
from tests.avis.explain.page import records
from tests.avis.explain.page.document import Document, number, tidy

RATE = 16000


def tone(hz: float, duration_s: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate).astype(np.float32)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L")) / 255


@pytest.mark.parametrize("hz", [1000.0, 6000.0])
def test_a_tone_is_dark_where_it_sounds_and_nowhere_else(hz) -> None:
    samples = np.concatenate([0 * tone(hz, 1.0), tone(hz, 1.0)])
    image = pixels(spectrogram(samples, sample_rate=RATE))
    assert image.shape == (HEIGHT, WIDTH)
    row = round((1 - hz / 8000) * (HEIGHT - 1))
    assert abs(int(image[:, 450].argmin()) - row) <= 1
    assert image[:, :280].min() == 1.0


@pytest.mark.parametrize("duration_s", [0.01, 3.0, 61.0])
def test_spectrograms_are_small_at_any_length(duration_s) -> None:
    noise = np.random.default_rng(0).normal(size=round(duration_s * RATE)).astype(np.float32)
    assert len(spectrogram(noise, sample_rate=RATE)) < 60_000


def test_silence_is_white() -> None:
    assert pixels(spectrogram(np.zeros(RATE, np.float32), sample_rate=RATE)).min() == 1.0


def test_several_channels_are_one_recording() -> None:
    file = io.BytesIO()
    sf.write(file, np.stack([tone(500, 1.0, 8000)] * 2, axis=1), 8000, format="FLAC")
    found = sound(file.getvalue(), where="here")
    assert (found.duration_s, found.highest_hz) == (1.0, 4000.0)
    assert found.uri.startswith("data:audio/flac;base64,")


def segment(number: int, llr: float | None, **more: object) -> Segment:
    return Segment(side="test", start_s=number, end_s=number + 1, llr=llr, **more)


def test_strong_is_what_reaches_a_quarter_of_the_strongest() -> None:
    segments = [segment(n, llr) for n, llr in enumerate([0.2, -2.0, 1.0, 0.6, 0.7, 0.0, 0.8, -0.4])]
    by = weigher(segments)
    # The strongest is -2: what has less than 0.5 is not strong, and of four that speak for one person three are told.
    assert [each.start_s for each in strongest(segments, by)] == [1.0, 2.0, 4.0, 6.0]
    assert strongest([segment(0, 0.0)], by) == []
    assert strongest([], by) == []


def test_where_there_is_no_share_removal_tells_what_is_strong() -> None:
    segments = [segment(0, None, removed={"mean": 0.1}), segment(1, None, removed={"mean": 0.9, "noise": 0.2})]
    assert weigher(segments).name == "evidence that is lost when it is levelled to the mean spectrum"
    assert [each.start_s for each in strongest(segments, weigher(segments))] == [1.0]


def explanation_of(frames: Frames, duration_s: float = 4.0) -> Explanation:
    side = records.side("test", duration_s=duration_s)
    return records.not_heard().model_copy(update={"sides": [side], "frames": [frames]})


def test_the_curve_by_hand() -> None:
    explanation = explanation_of(Frames(side="test", start_s=[1.0, 2.0, 3.0], llr=[0.5, -0.25]))
    part = recording_part(explanation, explanation.sides[0], None, is_first=True)
    page = Document(f"<figure><h3>it</h3>{part.drawing}</figure>")
    speaking, against = page.figures["it"].all("path")
    assert speaking["d"] == "M1.000 0V-1.000h1.000V0z"
    assert against["d"] == "M2.000 0V0.500h1.000V0z"
    assert page.figures["it"].all("svg")[1]["viewbox"] == "0 -1 4 2"
    assert [(tidy(row[0]), number(row[1])) for row in part.table.rows] == [("1.00-2.00 s", 0.5), ("2.00-3.00 s", -0.25)]


def test_a_step_over_silence_that_was_not_heard_is_no_wider_than_others() -> None:
    explanation = explanation_of(Frames(side="test", start_s=[0.0, 0.5, 1.0, 3.0, 3.5], llr=[1.0] * 4))
    part = recording_part(explanation, explanation.sides[0], None, is_first=True)
    assert "h0.750" in part.drawing
    assert "h2.0" not in part.drawing


def test_only_the_first_recording_says_how_to_read_it() -> None:
    explanation = records.match()
    readings = [
        recording_part(explanation, side, None, is_first=first).reading
        for side, first in zip(explanation.sides, (True, False), strict=True)
    ]
    assert "exact share of the evidence" in readings[0]
    assert readings[1] == ""


def test_segments_are_labelled_with_their_share() -> None:
    explanation = records.match()
    part = recording_part(explanation, explanation.sides[0], None, is_first=True)
    page = Document(f"<figure><h3>it</h3>{part.drawing}</figure>")
    for each in explanation.segments[:4]:
        assert f"{each.llr:+.2f}" in page.words
    places = {line["x1"] for line in page.figures["it"].all("line") if line["class"] == "border"}
    edges = {edge for each in explanation.segments[:4] for edge in (each.start_s, each.end_s)}
    assert places == {f"{round(100 * edge / 4.0, 2):g}%" for edge in edges}
