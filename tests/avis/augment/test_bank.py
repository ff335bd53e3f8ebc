import pickle

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf

from avis import store
from avis.audio.codec import encode
from avis.augment.bank import Bank, load_bank
from avis.schema import REJECTS, UTTERANCES


def ramp(first, num):
    return np.arange(first, first + num, dtype=np.float32)


def test_recordings_come_back_at_full_scale():
    bank = Bank.from_recordings([np.array([0.1, -0.2], np.float32), np.array([3.0, 1.5, 0.0], np.float32)])
    assert len(bank) == 2
    assert bank.offsets.tolist() == [0, 2, 5]
    assert bank[0].tolist() == [16384, -32767]
    assert bank[1].tolist() == [32767, 16384, 0]
    with pytest.raises(IndexError):
        bank[2]


def test_a_recording_is_a_view():
    bank = Bank.from_recordings([ramp(1, 10), ramp(1, 20)])
    assert np.shares_memory(bank[1], bank.samples)


def test_pickled_out_of_band_it_is_not_copied():
    bank = Bank.from_recordings([ramp(1, 1000)])
    buffers = []
    data = pickle.dumps(bank, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 1000
    again = pickle.loads(data, buffers=buffers)
    assert np.shares_memory(again.samples, bank.samples)


def drawn_from(bank, seed, num):
    return bank.stretch(*bank.draw(np.random.default_rng(seed), num), num)


def test_draw_is_a_stretch_of_one_recording():
    bank = Bank.from_recordings([ramp(1, 1000)])
    starts = set()
    for seed in range(50):
        drawn = drawn_from(bank, seed, 100)
        assert drawn.dtype == np.float32
        assert np.allclose(np.diff(drawn), 1 / 1000, atol=1e-4)
        starts.add(round(float(drawn[0]) * 1000))
    assert len(starts) > 30
    assert min(starts) >= 1
    assert max(starts) <= 901


def test_draw_reaches_both_ends_and_every_recording():
    bank = Bank.from_recordings([np.array([1.0, 0.5], np.float32), np.array([-1.0, -0.5], np.float32)])
    drawn = {round(float(drawn_from(bank, seed, 1)[0]), 1) for seed in range(60)}
    assert drawn == {1.0, 0.5, -1.0, -0.5}


def test_short_recordings_repeat():
    bank = Bank.from_recordings([np.array([0.25, 0.5, 1.0], np.float32)])
    drawn = drawn_from(bank, 0, 10)
    assert len(drawn) == 10
    assert np.array_equal(drawn[3:], drawn[:-3])
    assert sorted(drawn[:3].round(2).tolist()) == [0.25, 0.5, 1.0]


def test_a_stretch_is_of_the_recording_asked_for():
    bank = Bank.from_recordings([np.full(4, 0.5, np.float32), np.array([1.0, -0.5, 0.25], np.float32)])
    assert bank.stretch(1, 0, 3).tolist() == pytest.approx([1.0, -0.5, 0.25], abs=1e-4)
    assert bank.stretch(1, 2, 5).tolist() == pytest.approx([0.25, 1.0, -0.5, 0.25, 1.0], abs=1e-4)


@pytest.mark.parametrize("bad", [np.zeros(10), np.zeros(0), np.array([0.0, np.nan]), np.array([np.inf])])
def test_unusable_recordings(bad):
    with pytest.raises(ValueError, match="recording 1"):
        Bank.from_recordings([ramp(1, 10), bad.astype(np.float32)])


def test_no_recordings():
    with pytest.raises(ValueError, match="num_recordings=0"):
        Bank.from_recordings([])


def test_load_bank(tmp_path):
    t = np.arange(16000) / 16000
    (tmp_path / "b").mkdir()
    sf.write(tmp_path / "b" / "low.WAV", 0.1 * np.sin(2 * np.pi * 100 * t), 16000)
    sf.write(tmp_path / "a.flac", 0.5 * np.sin(2 * np.pi * 440 * t[:8000]), 16000)
    sf.write(tmp_path / "c.ogg", 0.5 * np.sin(2 * np.pi * 220 * t[:8000]), 8000)
    (tmp_path / "LICENSE.txt").write_text("free")
    bank = load_bank(str(tmp_path), sample_rate=8000, max_duration_s=0.4)
    assert [len(bank[i]) for i in range(len(bank))] == [3200, 3200, 3200]
    peaks_hz = [np.argmax(np.abs(np.fft.rfft(bank[i]))) * 8000 / 3200 for i in range(3)]
    assert peaks_hz == [440, 100, 110]


def stored(root, waveforms, rate, encoding, *, kinds=False):
    rows = [
        {
            "utt_id": f"musan/noise/x/{name}",
            "speaker": name,
            "session": name,
            "corpus": "musan",
            "split": "test",
            "audio": encode(waveform, sample_rate=rate, encoding=encoding),
            "num_samples": len(waveform),
            "sample_rate": rate,
            "sha256": "",
            "attributes": [("kind", name)] if kinds else [],
        }
        for name, waveform in waveforms.items()
    ]
    for part, chosen in (("test-00000", rows[:1]), ("test-00001", rows[1:])):
        tables = {"utterances": pa.Table.from_pylist(chosen, schema=UTTERANCES), "rejects": REJECTS.empty_table()}
        store.commit_part(str(root), part, tables, row_group_rows=1)
    store.finish(str(root), parts=["test-00000", "test-00001"], inputs="x", facts={})


@pytest.mark.parametrize("encoding", ["flac", "pcm16"])
def test_a_bank_from_a_store_is_as_one_from_the_files(tmp_path, encoding):
    t = np.arange(16000) / 16000
    waveforms = {str(hz): 0.5 * np.sin(2 * np.pi * hz * t).astype(np.float32) for hz in (100, 220, 440)}
    (tmp_path / "files").mkdir()
    for name, waveform in waveforms.items():
        sf.write(tmp_path / "files" / f"{name}.flac", waveform, 16000)
    stored(tmp_path / "store", waveforms, 16000, encoding)
    for rate in (16000, 8000):
        limits = {"sample_rate": rate, "max_duration_s": 0.4}
        from_files = load_bank(str(tmp_path / "files"), **limits)
        from_store = load_bank(str(tmp_path / "store"), **limits)
        assert np.array_equal(from_store.offsets, from_files.offsets)
        # resampled before the cut or after it: the last samples differ, and the peak perhaps
        assert np.abs(from_store.samples.astype(int) - from_files.samples)[: rate // 4].max() <= 2


def test_a_corrupt_store_is_named(tmp_path):
    stored(tmp_path, {"a": ramp(1, 100) / 200, "b": ramp(1, 100) / 200}, 16000, "flac")
    (tmp_path / "utterances" / "test-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"corrupt shard: .*test-00000"):
        load_bank(str(tmp_path), sample_rate=16000, max_duration_s=1.0)


def test_of_several_channels_the_first_is_taken(tmp_path):
    """The mean of two microphones, one of which hears 8 samples later, is silent at 1 kHz (16 kHz)."""
    response = np.zeros((400, 2))
    response[10, 0] = response[18, 1] = 0.5
    sf.write(tmp_path / "array.wav", response, 16000)
    bank = load_bank(str(tmp_path), sample_rate=16000, max_duration_s=1.0)
    assert np.flatnonzero(bank[0]).tolist() == [10]


def test_links_are_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "noise").mkdir()
    for name in ("elsewhere/1.wav", "noise/2.wav"):
        sf.write(tmp_path / name, ramp(1, 100) / 200, 16000)
    (tmp_path / "noise" / "music").symlink_to("../elsewhere")
    assert len(load_bank(str(tmp_path / "noise"), sample_rate=16000, max_duration_s=1.0)) == 2


REAL = "RIRS_NOISES/real_rirs_isotropic_noises"
SHORT = f"{REAL}/RVB2014_type1_rir_largeroom1_far_angla.wav"
LONG = f"{REAL}/RVB2014_type1_noise_largeroom1_1.wav"


@pytest.mark.parametrize(("kind", "num_samples"), [("rir", [50]), ("noise", [900]), (None, [900, 50])])
def test_responses_and_noises_of_one_collection_are_kept_apart(tmp_path, kind, num_samples):
    (tmp_path / REAL).mkdir(parents=True)
    for name, num in ((SHORT, 50), (LONG, 900)):
        sf.write(tmp_path / name, ramp(1, num) / 1000, 16000)
    bank = load_bank(str(tmp_path / "RIRS_NOISES"), sample_rate=16000, max_duration_s=1.0, kind=kind)
    assert np.diff(bank.offsets).tolist() == num_samples
    stored(tmp_path / "store", {"rir": ramp(1, 50) / 50, "noise": ramp(1, 900) / 900}, 16000, "flac", kinds=True)
    bank = load_bank(str(tmp_path / "store"), sample_rate=16000, max_duration_s=1.0, kind=kind)
    assert sorted(np.diff(bank.offsets)) == sorted(num_samples)


def test_a_store_without_the_kind_is_named(tmp_path):
    stored(tmp_path, {"noise": ramp(1, 100) / 200}, 16000, "flac", kinds=True)
    with pytest.raises(ValueError, match=f"num_recordings=0, .* At {tmp_path} .kind=rir"):
        load_bank(str(tmp_path), sample_rate=16000, max_duration_s=1.0, kind="rir")


def test_load_bank_without_audio(tmp_path):
    with pytest.raises(ValueError, match="num_files=0"):
        load_bank(str(tmp_path), sample_rate=16000, max_duration_s=1.0)


def test_load_bank_names_the_file_that_fails(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"broken\.wav"):
        load_bank(str(tmp_path), sample_rate=16000, max_duration_s=1.0)


@pytest.mark.slow
@pytest.mark.shared_data
def test_real_noises_and_rooms(shared):
    noises = load_bank(str(shared / "noise"), sample_rate=16000, max_duration_s=5.0)
    rooms = load_bank(str(shared / "rir"), sample_rate=16000, max_duration_s=1.0)
    assert len(noises) == len(list((shared / "noise").glob("*.ogg")))
    assert len(rooms) == len(list((shared / "rir").glob("*.flac")))
    assert all(np.abs(rooms[i].astype(int)).max() == 32767 for i in range(len(rooms)))
