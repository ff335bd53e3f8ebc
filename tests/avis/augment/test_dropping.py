"""Packets, chunks of time and bands of frequency that go missing."""

import numpy as np
import pytest

from avis.augment.drop_chunk import DropChunk
from avis.augment.drop_freq import DropFreq
from avis.augment.packet_loss import PacketLoss

RATE = 16000
RATED = {"probability": 1.0, "sample_rate": RATE}
PACKETS = {"min_packet_ms": 20.0, "max_packet_ms": 20.0}
COUNTING = np.arange(1, 10 * RATE + 1, dtype=np.float32)


def lose(waveform, share, concealment, seed=0):
    shares = {"min_lost_share": share, "max_lost_share": share}
    return PacketLoss(**RATED, **PACKETS, **shares, concealment=concealment)(waveform, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_whole_packets_are_lost(share):
    packets = lose(COUNTING, share, "zero").reshape(-1, 320)
    lost = (packets == 0).all(axis=1)
    assert np.array_equal(packets[~lost], COUNTING.reshape(-1, 320)[~lost])
    assert lost.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(lost)))


def test_the_last_packet_is_repeated():
    lost = (lose(COUNTING, 0.3, "zero").reshape(-1, 320) == 0).all(axis=1)
    heard = lose(COUNTING, 0.3, "repeat").reshape(-1, 320)
    sent = COUNTING.reshape(-1, 320)
    last = None
    for index in range(len(sent)):
        last = last if lost[index] else sent[index]
        assert np.array_equal(heard[index], np.zeros(320) if last is None else last)


def test_all_packets_lost_is_silence():
    for concealment in ("zero", "repeat"):
        assert not lose(COUNTING, 1.0, concealment).any()


def test_packets_that_are_refused():
    with pytest.raises(ValueError, match="concealment='fade'"):
        lose(COUNTING, 0.1, "fade")
    with pytest.raises(ValueError, match=r"max_lost_share=1\.5"):
        lose(COUNTING, 1.5, "zero")


def test_chunks_in_number_and_length():
    chunks = DropChunk(**RATED, min_chunks=2, max_chunks=2, min_chunk_ms=100.0, max_chunk_ms=100.0)
    missing = []
    for seed in range(20):
        gone = chunks(COUNTING, np.random.default_rng(seed)) == 0
        starts = np.flatnonzero(np.diff(gone.astype(int), prepend=0) == 1)
        assert len(starts) in (1, 2)
        missing.append(int(gone.sum()))
    assert max(missing) == 3200
    assert min(missing) >= 1600


def test_a_chunk_longer_than_the_waveform():
    chunks = DropChunk(**RATED, min_chunks=1, max_chunks=1, min_chunk_ms=100.0, max_chunk_ms=100.0)
    assert not chunks(np.ones(10, np.float32), np.random.default_rng(0)).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_band_is_gone_and_the_rest_is_there(seed):
    impulse = np.zeros(RATE, np.float32)
    impulse[RATE // 2] = 1.0
    result = DropFreq(**RATED, min_bands=1, max_bands=1, width_hz=800.0)(impulse, np.random.default_rng(seed))
    db = 20 * np.log10(np.abs(np.fft.rfft(result)) + 1e-9)
    gone = np.flatnonzero(db < -6)
    assert np.ptp(gone) == pytest.approx(800, abs=25)
    assert db[gone[0] + 150 : gone[-1] - 150].max() < -60
    assert np.abs(np.delete(db, np.arange(max(0, gone[0] - 150), gone[-1] + 150))).max() < 0.1
    assert result == pytest.approx(np.roll(result[::-1], 1), abs=1e-6)


def test_bands_that_are_refused():
    for width_hz in (50.0, 5000.0):
        with pytest.raises(ValueError, match="width_hz="):
            DropFreq(**RATED, min_bands=1, max_bands=1, width_hz=width_hz)
