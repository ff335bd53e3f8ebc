"""Send a waveform through a codec and back, in memory: by FFmpeg's encoders in PyAV, GSM by libsndfile's."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

import av
import numpy as np
import soundfile as sf
import soxr
from scipy.signal import correlate, lfilter

TAIL_S = 0.15
"""Silence after the waveform, for the codec to give out what it holds back: more than any delay here."""
PROBE_S = 1.5
PROBE_FORMANTS_HZ = (500.0, 1500.0, 2500.0)
PROBE_BANDWIDTH_HZ = 100.0
PROBE_PERIODS_S = (0.004, 0.012)
LIBSNDFILE = "libsndfile"


@dataclass(frozen=True, kw_only=True)
class Coder:
    """What codes and decodes.

    Attributes
    ----------
    encoder, decoder : str
        FFmpeg's names, or `LIBSNDFILE`.
    rates : tuple of int
        Sample rates in Hz at which it codes.
    min_bit_rate, max_bit_rate : int
        In bit/s; an encoder takes the nearest that it has.
    """

    encoder: str
    decoder: str
    rates: tuple[int, ...]
    min_bit_rate: int
    max_bit_rate: int


CODERS = {
    "mu_law": Coder(encoder="pcm_mulaw", decoder="pcm_mulaw", rates=(8000,), min_bit_rate=64000, max_bit_rate=64000),
    "a_law": Coder(encoder="pcm_alaw", decoder="pcm_alaw", rates=(8000,), min_bit_rate=64000, max_bit_rate=64000),
    "gsm": Coder(encoder=LIBSNDFILE, decoder=LIBSNDFILE, rates=(8000,), min_bit_rate=13200, max_bit_rate=13200),
    "g722": Coder(encoder="g722", decoder="g722", rates=(16000,), min_bit_rate=64000, max_bit_rate=64000),
    "amr_nb": Coder(encoder="libopencore_amrnb", decoder="amrnb", rates=(8000,), min_bit_rate=4750, max_bit_rate=12200),
    "amr_wb": Coder(encoder="libvo_amrwbenc", decoder="amrwb", rates=(16000,), min_bit_rate=6600, max_bit_rate=23850),
    "opus": Coder(
        encoder="libopus",
        decoder="opus",
        rates=(8000, 12000, 16000, 24000, 48000),
        min_bit_rate=6000,
        max_bit_rate=256000,
    ),
    "mp3": Coder(
        encoder="libmp3lame",
        decoder="mp3float",
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        min_bit_rate=8000,
        max_bit_rate=320000,
    ),
    "aac": Coder(
        encoder="aac",
        decoder="aac",
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        min_bit_rate=8000,
        max_bit_rate=256000,
    ),
}
"""G.711 (mu-law, A-law), GSM 06.10 full rate, G.722, AMR and AMR-WB, Opus, MP3, AAC-LC; all mono."""


def available_codecs() -> list[str]:
    """Return the names of `CODERS` that this build of PyAV encodes and decodes; FFmpeg's builds differ."""
    return [name for name, coder in CODERS.items() if _is_there(coder.encoder, "w") and _is_there(coder.decoder, "r")]


def check_codec(codec: str, *, coded_rate: int, bit_rates: Sequence[int]) -> None:
    """Raise unless the codec is there and takes these rates.

    Raises
    ------
    ValueError
        Unknown or missing codec, no bit rates, or rates that it doesn't have.
    """
    if codec not in available_codecs():
        raise ValueError(
            f"A codec must be there: got codec={codec!r}, expected one of {', '.join(available_codecs())}, which this "
            "build of PyAV encodes. At codec. Choose another, or install a PyAV built with it."
        )
    coder = CODERS[codec]
    if coded_rate not in coder.rates:
        raise ValueError(
            f"A codec must take the sample rate: got coded_rate={coded_rate} Hz for {codec}, expected one of "
            f"{coder.rates}. At coded_rate. Choose one of them; the waveform is resampled to it and back."
        )
    if not bit_rates or not all(coder.min_bit_rate <= each <= coder.max_bit_rate for each in bit_rates):
        raise ValueError(
            f"A codec must take the bit rates: got bit_rates={list(bit_rates)} bit/s for {codec}, expected at least "
            f"one and all from {coder.min_bit_rate} to {coder.max_bit_rate}. At bit_rates. Correct them."
        )


def transcode(waveform: np.ndarray, *, codec: str, sample_rate: int, coded_rate: int, bit_rate: int) -> np.ndarray:
    """Code and decode a waveform: what comes out is the codec's own, as long as the input and aligned with it.

    What the codec delays is measured once, with a probe, and taken back to the nearest sample. Input beyond [-1, 1] is
    clipped, as in a recorder. The result depends on nothing but the arguments (and the encoder's version).

    Parameters
    ----------
    waveform : array
        float32 ``[samples]``, finite, at least one.
    codec : str
        A key of `CODERS` that `check_codec` has passed.
    sample_rate : int
        Of the waveform, in Hz.
    coded_rate : int
        At which it is coded, in Hz; soxr (HQ) resamples there and back.
    bit_rate : int
        In bit/s.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``.
    """
    delay = _delay(codec, sample_rate, coded_rate, bit_rate)
    through = _through(waveform, codec, sample_rate, coded_rate, bit_rate)
    return through[delay : delay + len(waveform)]


def _through(waveform: np.ndarray, codec: str, sample_rate: int, coded_rate: int, bit_rate: int) -> np.ndarray:
    """Return what the codec makes of the waveform and a tail of silence, at the waveform's rate, delay included."""
    padded = np.concatenate([np.clip(waveform, -1, 1), np.zeros(round(TAIL_S * sample_rate))]).astype(np.float32)
    coded = soxr.resample(padded, sample_rate, coded_rate, quality="HQ")
    decoded, rate = _gsm(coded) if CODERS[codec].encoder == LIBSNDFILE else _ffmpeg(coded, codec, coded_rate, bit_rate)
    return soxr.resample(decoded, rate, sample_rate, quality="HQ")


def _gsm(waveform: np.ndarray) -> tuple[np.ndarray, int]:
    rate, stream = CODERS["gsm"].rates[0], io.BytesIO()
    sf.write(stream, waveform, rate, format="RAW", subtype="GSM610")
    stream.seek(0)
    decoded, _ = sf.read(stream, dtype="float32", samplerate=rate, channels=1, format="RAW", subtype="GSM610")
    return decoded, rate


def _ffmpeg(waveform: np.ndarray, codec: str, coded_rate: int, bit_rate: int) -> tuple[np.ndarray, int]:
    """Return what FFmpeg makes of ``[samples]`` at the coded rate, and the rate that the decoder gives it."""
    encoder = _context(CODERS[codec].encoder, "w", coded_rate)
    formats = [each.name for each in encoder.codec.audio_formats or []]
    encoder.format = next((name for name in ("fltp", "flt") if name in formats), "s16")
    encoder.bit_rate = bit_rate
    encoder.time_base = Fraction(1, coded_rate)
    encoder.open()
    packets = []
    size = encoder.frame_size or len(waveform)
    for start in range(0, len(waveform), size):
        block = waveform[None, start : start + size]
        block = np.pad(block, ((0, 0), (0, size - block.shape[1])))
        if encoder.format.name == "s16":
            block = np.clip(np.rint(block * 32768), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(block, format=encoder.format.name, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = coded_rate, start, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = _context(CODERS[codec].decoder, "r", coded_rate)
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    blocks = [frame.to_ndarray().ravel() for frame in frames]
    if blocks[0].dtype == np.int16:
        blocks = [block / np.float32(32768) for block in blocks]
    return np.concatenate(blocks).astype(np.float32), frames[0].sample_rate


def _context(name: str, mode: Literal["r", "w"], rate: int) -> av.AudioCodecContext:
    context = av.CodecContext.create(name, mode)
    assert isinstance(context, av.AudioCodecContext), f"{name} is no codec of audio"
    context.sample_rate, context.layout, context.thread_count = rate, "mono", 1
    return context


@cache
def _is_there(name: str, mode: Literal["r", "w"]) -> bool:
    if name == LIBSNDFILE:
        return "GSM610" in sf.available_subtypes("RAW")
    try:
        av.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


@cache
def _delay(codec: str, sample_rate: int, coded_rate: int, bit_rate: int) -> int:
    """Return the codec's delay in samples: where the probe's correlation with what becomes of it peaks."""
    probe = _probe(sample_rate)
    through = _through(probe, codec, sample_rate, coded_rate, bit_rate)
    lags = correlate(through, probe, method="fft")[len(probe) - 1 :]
    return int(np.argmax(lags[: round(TAIL_S * sample_rate)]))


def _probe(sample_rate: int) -> np.ndarray:
    """Return a voice that codecs take for one, without a period of its own: pulses through three formants."""
    rng = np.random.default_rng(0)
    probe = np.zeros(round(PROBE_S * sample_rate))
    position = 0.0
    while position < PROBE_S:
        probe[int(position * sample_rate)] = rng.uniform(0.5, 1.0)
        position += rng.uniform(*PROBE_PERIODS_S)
    radius = np.exp(-np.pi * PROBE_BANDWIDTH_HZ / sample_rate)
    for formant in PROBE_FORMANTS_HZ:
        probe = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / sample_rate), radius**2], probe)
    return (0.5 * probe / np.abs(probe).max()).astype(np.float32)
