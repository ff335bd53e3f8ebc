"""A recording from the microphone, in place of a file; `sounddevice` is stood in for, by its documentation of 0.5."""

import json
import sys
import types

import numpy as np
import pytest
import soundfile as sf


class PortAudioError(Exception):
    pass


@pytest.fixture
def microphone(monkeypatch):
    """Return what connects a microphone that hears ``samples [samples]``; each use of it is noted in ``used``."""

    def connect(samples, rate=44100):
        module = types.ModuleType("sounddevice")
        module.PortAudioError, module.used = PortAudioError, []

        def query_devices(device=None, kind=None):
            assert (device, kind) == (None, "input")
            if samples is None:
                raise PortAudioError("Error querying device -1")
            return {"name": "default", "index": 0, "max_input_channels": 2, "default_samplerate": float(rate)}

        def rec(frames=None, samplerate=None, channels=None, dtype=None, out=None, mapping=None, blocking=False):
            module.used.append((frames, samplerate, channels, dtype, blocking))
            return np.resize(samples, frames)[:, None].astype(dtype)

        module.query_devices, module.rec = query_devices, rec
        monkeypatch.setitem(sys.modules, "sounddevice", module)
        return module

    return connect


def test_the_second_recording_comes_from_the_microphone(avis, recording, microphone):
    device = microphone(*sf.read(recording(1, rate=44100)))
    status, out, err = avis("verify", "--record", "3", recording(1), "--json")
    assert device.used == [(3 * 44100, 44100, 1, "float32", True)]
    assert err.endswith("recording 3 s, speak now\n")
    verdict = json.loads(out)
    enrolled_s, spoken_s = verdict["speech_s"]
    assert spoken_s == pytest.approx(enrolled_s, abs=0.1)
    assert status == 0


def test_a_microphone_that_is_off_hears_nobody(avis, recording, microphone):
    microphone(np.zeros(1))
    status, out, _ = avis("verify", recording(1), "--record", "2")
    assert status == 3
    assert "second recording: silent" in out


def test_who_has_no_microphone_is_told_so_in_one_message(avis, recording, microphone, monkeypatch):
    path = recording(1)
    microphone(None)
    status, out, err = avis("verify", path, "--record", "2")
    assert (status, out) == (2, "")
    assert "no microphone: got Error querying device -1, expected one to record from. At --record." in err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    status, _, err = avis("verify", path, "--record", "2")
    assert status == 2
    assert "Run pip install 'avis[record]'" in err


def test_a_bad_first_recording_is_said_before_anyone_speaks(avis, microphone, tmp_path):
    device = microphone(np.ones(1))
    (tmp_path / "notes.txt").write_text("no audio")
    assert avis("verify", "notes.txt", "--record", "2")[0] == 2
    assert device.used == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["a.wav", "b.wav", "--record", "2"], "one recording: got b.wav and --record 2, expected a file or --record."),
        (["a.wav"], "one recording: got none, expected a file or --record."),
        (["a.wav", "--record", "0"], "Invalid value for '--record'"),
        (["a.wav", "--record", "nan"], "Invalid value for '--record'"),
    ],
)
def test_either_a_file_or_the_microphone_is_asked_for(avis, typed, said):
    status, out, err = avis("verify", *typed)
    assert (status, out) == (2, "")
    assert said in err


def test_who_speaks_is_told_from_the_microphone_too(avis, recording, microphone):
    avis("enroll", "Ann", recording(1), recording(2), "--all")
    device = microphone(*sf.read(recording(1)))
    status, out, _ = avis("identify", "--record", "3", "--json")
    assert len(device.used) == 1
    assert json.loads(out)["outcome"]
    assert status in (0, 1, 3)
