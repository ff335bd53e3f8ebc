"""Recordings of strangers are decoded by a process that may die of one."""

import io
import os
import signal
import threading
import time

import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import decode
from avis.audio.recording import Hearing
from avis.serving.decoding import DecodingProcess
from avis.serving.refusal import RefusedError
from avis.serving.settings import Limits
from tests.avis.conftest import talk

HEARING = Hearing(sample_rate=16000, channel="mix", vad=None, trim="none", min_duration_s=0.5)


def file_of(samples, rate=16000, **kwargs) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, **{"format": "WAV"} | kwargs)
    return file.getvalue()


@pytest.fixture(scope="module")
def process():
    made = DecodingProcess(HEARING, Limits(audio_s=10.0, channels=2, decode_s=5.0))
    yield made
    made.close()


@pytest.mark.few(2)
@pytest.mark.parametrize("kwargs", [{}, {"rate": 44100}, {"format": "FLAC"}, {"format": "OGG"}, {"subtype": "FLOAT"}])
def test_samples_are_those_of_the_decoder(process, kwargs):
    data = file_of(talk(0), **kwargs)
    expected = decode(data, sample_rate=16000, min_duration_s=0.5, channel="mix")
    np.testing.assert_array_equal(process.samples(data), expected)


FAULTY = {
    "empty": b"",
    "unreadable": b"no audio",
    "silent": file_of(np.zeros(16000)),
    "too_short": file_of(talk(0)[:4000]),
    "truncated": file_of(talk(0))[:-100],
}


@pytest.mark.parametrize("reason", FAULTY)
def test_faults_are_those_of_the_decoder(process, reason):
    data = FAULTY[reason]
    with pytest.raises(AudioError, match=reason) as refused:
        process.samples(data)
    with pytest.raises(AudioError) as expected:
        decode(data, sample_rate=16000, min_duration_s=0.5, channel="mix")
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize(("shape", "found"), [((4, 1), "12.0 s"), ((1, 3), "3 channels")])
def test_what_is_too_large_is_refused_with_words(process, shape, found):
    with pytest.raises(RefusedError, match=f"recording too large: got {found}, expected at most") as refused:
        process.samples(file_of(np.tile(talk(0)[:, None], shape)))
    assert refused.value.status == 413


def test_a_file_that_unpacks_to_more_than_memory_is_refused():
    hours = file_of(np.tile(talk(0), 400), format="FLAC")
    small = DecodingProcess(HEARING, Limits(audio_s=1e6, channels=2, decode_memory_mb=40))
    with pytest.raises(RefusedError, match="recording too large: got one that takes more than 40 MB of memory"):
        small.samples(hours)
    assert len(small.samples(file_of(talk(0)))) == 48000, "it goes on"
    small.close()


def test_what_kills_the_process_once_is_tried_again(process):
    before = process.pid
    os.kill(before, signal.SIGKILL)
    assert len(process.samples(file_of(talk(0)))) == 48000
    assert process.pid != before


def test_what_kills_it_each_time_is_refused(process, monkeypatch):
    def killed(data):
        def kill():
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)

        threading.Thread(target=kill).start()
        time.sleep(0.05)
        return asked(data)

    asked = process._asked
    monkeypatch.setattr(process, "_asked", killed)
    with pytest.raises(AudioError, match="crashes_decoder: recording kills its decoder: got 2 that died of it"):
        process.samples(file_of(talk(0)))
    monkeypatch.undo()
    assert len(process.samples(file_of(talk(0)))) == 48000


def test_what_takes_too_long_is_ended():
    slow = DecodingProcess(HEARING, Limits(decode_s=0.2))
    os.kill(slow.pid, signal.SIGSTOP)
    with pytest.raises(RefusedError, match=r"too long to decode: got more than 0\.2 s"):
        slow.samples(file_of(talk(0)))
    slow.close()
