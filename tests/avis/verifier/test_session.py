"""A stream is judged as one recording would be, whatever its chunks, and only speech changes what is thought of it."""

import dataclasses

import numpy as np
import pytest

from avis.verifier import Session, Verifier
from tests.avis.conftest import RATE, talk


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


@pytest.fixture
def session(verifier):
    return Session(verifier, (talk(1), RATE), min_speech_s=1.0)


def chunks(samples, sizes):
    ends = np.cumsum(sizes)
    assert ends[-1] >= len(samples)
    return np.split(samples, ends[ends < len(samples)])


def noise(duration_s, level):
    return (level * np.random.default_rng(9).normal(size=int(duration_s * RATE))).astype(np.float32)


def alike(one, other):
    assert (one.outcome, one.warnings) == (other.outcome, other.warnings)
    assert one.score == pytest.approx(other.score, abs=1e-5)
    assert one.llr == pytest.approx(other.llr, abs=1e-5)
    assert one.llr_interval == pytest.approx(other.llr_interval, abs=1e-5)
    assert one.speech_s == pytest.approx(other.speech_s)
    assert one.quality[1] == pytest.approx(other.quality[1])


@pytest.mark.few(2)
@pytest.mark.parametrize("rate", [8000, 11025, RATE, 44100])
@pytest.mark.parametrize("sizes", [[317] * 1400, [1, 40000, 7, 999999], [999999]])
def test_in_the_end_it_is_the_verdict_on_the_whole_recording(verifier, rate, sizes):
    stream = talk(2, duration_s=5.3, rate=rate)
    session = Session(verifier, (talk(1), RATE))
    for chunk in chunks(stream, sizes):
        session.hear(chunk, rate)
    alike(session.close(), verifier.verify((talk(1), RATE), (stream, rate)))


@pytest.mark.few(3)
@pytest.mark.parametrize("channel", ["mix", "first", 2, "best"])
@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_channels_and_integers_are_heard_as_in_a_recording(parts, channel, kind):
    hearing = dataclasses.replace(parts.hearing, channel=channel)
    verifier = Verifier(dataclasses.replace(parts, hearing=hearing))
    stream = np.stack([talk(2), talk(3), 0.1 * noise(3, 0.05)], axis=1)
    stream = (stream * 32768).astype(kind) if kind == np.int16 else stream.astype(kind)
    target = verifier.embed((np.stack([talk(1)] * 3, axis=1), RATE))
    session = Session(verifier, target, min_speech_s=1.0)
    for chunk in chunks(stream, [1000] * 48):
        session.hear(chunk, RATE)
    alike(session.close(), verifier.verify(target, (stream, RATE)))


def test_a_stream_is_trimmed_as_a_recording_is(parts):
    hearing = dataclasses.replace(parts.hearing, vad="energy", trim="all")
    verifier = Verifier(dataclasses.replace(parts, hearing=hearing))
    stream = np.concatenate([noise(2, 0.001), talk(2), noise(3, 0.001), talk(2, duration_s=5)])
    session = Session(verifier, (talk(1), RATE))
    for chunk in chunks(stream, [700] * 300):
        session.hear(chunk, RATE)
    assert session.verdict.score is not None
    alike(session.close(), verifier.verify((talk(1), RATE), (stream, RATE)))


@pytest.mark.slow
def test_verdicts_do_not_depend_on_the_size_of_the_chunks(verifier):
    stream = np.concatenate([talk(2, duration_s=6), noise(2, 0.001), talk(3, duration_s=4)])
    fine, coarse = (Session(verifier, (talk(1), RATE), min_speech_s=1.0) for _ in range(2))
    for start in range(0, len(stream), 24000):
        for chunk in chunks(stream[start : start + 24000], [160] * 150):
            fine.hear(chunk, RATE)
        assert coarse.hear(stream[start : start + 24000], RATE) == fine.verdict


def test_a_verdict_is_that_on_all_that_was_heard_when_it_was_renewed(verifier, session):
    stream = talk(2, duration_s=8)
    verdicts = [session.hear(chunk, RATE) for chunk in chunks(stream, [RATE // 2] * 16)]
    renewed = [number for number in range(1, 16) if verdicts[number] is not verdicts[number - 1]]
    assert len(renewed) >= 4
    for number in renewed:
        if verdicts[number].outcome != "not_heard":
            alike(verdicts[number], verifier.verify(session.target, (stream[: (number + 1) * RATE // 2], RATE)))


def test_there_is_no_answer_before_there_is_enough_speech(verifier):
    session = Session(verifier, (talk(1), RATE), min_speech_s=2.0)
    assert session.verdict.outcome == "not_heard"
    for chunk in chunks(talk(2, duration_s=8), [1600] * 80):
        verdict = session.hear(chunk, RATE)
        assert (verdict.outcome == "not_heard") == (verdict.score is None) == (verdict.speech_s[1] < 2.0)
    assert verdict.score is not None
    short = Session(verifier, (talk(1), RATE), min_speech_s=2.0)
    short.hear(talk(2, duration_s=1.5), RATE)
    assert short.close().outcome == "not_heard"
    assert "s of speech, of which 2.0 s are the least" in " ".join(short.verdict.warnings)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "unspoken",
    [
        np.zeros(20 * RATE, np.float32),
        np.full(20 * RATE, 0.2, np.float32),
        noise(20, 0.001),
        noise(20, 0.05),
        noise(12, 0.0005) * (1.0 + 0.7 * np.sin(np.arange(12 * RATE) / 8000)).astype(np.float32),
        0.05 * np.sin(np.arange(20 * RATE) / 50),
        np.concatenate([np.zeros(9 * RATE, np.float32), noise(9, 0.001)]),
        noise(70, 0.01),
    ],
    ids=[
        "silence",
        "dc",
        "soft_noise",
        "loud_noise",
        "murmur",
        "tone",
        "silence_then_noise",
        "noise_longer_than_a_window",
    ],
)
def test_without_speech_a_verdict_stays_as_it_is(session, unspoken):
    for chunk in chunks(talk(2, duration_s=5), [4000] * 20):
        before = session.hear(chunk, RATE)
    assert before.score is not None
    for chunk in chunks(unspoken, [4000] * 300):
        assert session.hear(chunk, RATE) is before
    session.hear(talk(2, duration_s=5), RATE)
    assert session.verdict is not before


def test_a_word_after_a_long_pause_is_heard(session):
    before = session.hear(noise(55, 0.001), RATE)
    assert session.hear(talk(2, duration_s=4), RATE) is not before


def test_an_answer_is_not_taken_back_because_a_pause_makes_speech_rare(verifier):
    stream = np.concatenate([talk(2, duration_s=2), noise(54, 0.001), talk(2, duration_s=2)])
    assert verifier.verify((talk(1), RATE), (stream, RATE)).outcome == "not_heard"
    fine, coarse = (Session(verifier, (talk(1), RATE), min_speech_s=0.5) for _ in range(2))
    for chunk in chunks(stream, [4000] * 300):
        fine.hear(chunk, RATE)
    assert coarse.hear(stream, RATE) == fine.verdict
    assert fine.verdict.score is not None


def test_less_speech_than_was_calibrated_on_is_unsure_until_there_is_more(verifier):
    session = Session(verifier, (talk(1), RATE), min_speech_s=0.5)
    begun = session.hear(talk(2, duration_s=1.5), RATE)
    assert 0.5 <= begun.speech_s[1] < 0.9
    assert begun.outcome == "unsure"
    assert "Outside what was calibrated: the shorter recording has 0." in str(begun)
    session.hear(talk(2, duration_s=4.0), RATE)
    assert "Outside" not in str(session.close())


def test_silence_alone_is_not_heard(verifier):
    for samples in (np.zeros(3 * RATE, np.int16), np.zeros(3 * RATE), noise(3, 0.01)):
        session = Session(verifier, (talk(1), RATE))
        for chunk in chunks(samples, [4000] * 12):
            assert session.hear(chunk, RATE).outcome == "not_heard"
        assert session.close().score is None
    assert Session(verifier, (talk(1), RATE)).close().outcome == "not_heard"


@pytest.mark.slow
def test_a_long_stream_is_embedded_in_windows_each_once(parts, monkeypatch):
    verifier = Verifier(dataclasses.replace(parts, max_window_s=4.0))
    stream = talk(2, duration_s=12)
    whole = verifier.verify((talk(1), RATE), (stream, RATE))
    session = Session(verifier, (talk(1), RATE), min_speech_s=1.0)
    seconds, embedding = [], verifier.embedding_of
    monkeypatch.setattr(
        verifier, "embedding_of", lambda values: (seconds.append(len(values) / RATE), embedding(values))[1]
    )
    for chunk in chunks(stream, [1600] * 120):
        session.hear(chunk, RATE)
    assert session.close().score == pytest.approx(whole.score, abs=1e-5)
    assert session.verdict.speech_s[1] == pytest.approx(whole.speech_s[1], rel=0.05)
    assert max(seconds) == 4.0
    assert len(seconds) < 20
    assert sum(len(block) for block in session._heard.blocks) <= 4 * RATE


def test_windows_without_speech_do_not_count(parts):
    verifier = Verifier(dataclasses.replace(parts, max_window_s=4.0))
    plain, paused = (Session(verifier, (talk(1), RATE), min_speech_s=1.0) for _ in range(2))
    for number in range(2):
        said = talk(2 + number, duration_s=4)
        plain.hear(said, RATE)
        paused.hear(said, RATE)
        paused.hear(noise(4, 0.001), RATE)
    assert paused.close().score == pytest.approx(plain.close().score, abs=1e-5)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.array([0.1, np.nan], np.float32), RATE),
        (np.array([0.1, np.inf]), RATE),
        (np.array([0.1, 1e300]), RATE),
        (np.array([100.0, -9000.0]), RATE),
        (np.array([100, -9000], np.int32), RATE),
        (np.array([1, 2], np.uint8), RATE),
        (np.array(["a", "b"]), RATE),
        (np.array([1j]), RATE),
        (np.zeros((2, 2, 2)), RATE),
        (np.zeros((1, 900)), RATE),
        ([[0.1], [0.1, 0.2]], RATE),
        (None, RATE),
        (b"text", RATE),
        (talk(2)[:500], 8000),
        (talk(2)[:500], 5),
        (talk(2)[:500], "16000"),
        (talk(2)[:500], None),
        (talk(2)[:500], float("nan")),
        (np.stack([talk(2)[:500]] * 2, axis=1), RATE),
    ],
)
def test_a_bad_chunk_is_one_clear_error_and_not_heard(verifier, samples, rate):
    plain, disturbed = (Session(verifier, (talk(1), RATE), min_speech_s=1.0) for _ in range(2))
    for chunk in chunks(talk(2), [10000] * 5):
        assert plain.hear(chunk, RATE) == disturbed.hear(chunk, RATE)
        before = disturbed.verdict
        with pytest.raises(ValueError, match=r"got .*expected .*At "):
            disturbed.hear(samples, rate)
        assert disturbed.verdict is before
        assert disturbed.hear(np.zeros(0, np.float32), RATE) is before
    assert plain.close() == disturbed.close()


def test_a_clipped_stream_is_warned_of(session):
    session.hear(np.clip(20 * talk(2), -1, 1), RATE)
    assert "The second recording is clipped" in " ".join(session.close().warnings)


def test_a_session_is_over_when_it_was_closed(session):
    session.hear(talk(2), RATE)
    assert session.close() is session.close()
    with pytest.raises(ValueError, match=r"session is over: got .*expected .*At "):
        session.hear(talk(2), RATE)


@pytest.mark.parametrize("min_speech_s", [0.0, 0.4, -1.0, float("nan"), float("inf")])
def test_what_is_no_least_speech_is_refused(verifier, min_speech_s):
    with pytest.raises(ValueError, match=r"got min_speech_s=.*expected .*At "):
        Session(verifier, (talk(1), RATE), min_speech_s=min_speech_s)


def test_a_target_in_which_nobody_speaks_is_refused(verifier):
    with pytest.raises(ValueError, match=r"nobody to compare with: got .*expected .*At "):
        Session(verifier, (np.zeros(RATE), RATE))
