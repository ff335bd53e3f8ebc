"""Find the speech in a recording (voice activity detection), and cut away what is none."""

import functools
import threading
from typing import Literal

import numpy as np
import soxr

from avis.audio.audio_error import AudioError
from avis.audio.quality import FRAME_S, HOP_S, frame_levels_db, speech_frames

VadChoice = Literal["energy", "silero"]
TrimChoice = Literal["none", "ends", "all"]

MIN_PAUSE_S = 0.3
"""Shorter pauses belong to the speech around them: plosives close the mouth for 0.1 s and more."""

MIN_SPEECH_S = 0.1
"""Shorter bursts are clicks; vowels last longer. (Silero has a minimum of its own, 0.25 s.)"""

PADDING_S = 0.1
"""Left on either side of the speech: its first and last sounds are often too quiet to be found."""

SILERO_RATE_HZ = 16000


def find_speech(samples: np.ndarray, *, sample_rate: int, vad: VadChoice | None) -> np.ndarray:
    """Find the stretches of speech.

    ``energy`` takes what is louder than the rest, by the level of frames: see `avis.audio.quality.speech_frames`. It
    is quick, and right for close microphones with steady noise. Music, bangs and a second, nearer voice pass for
    speech; speech without a pause in a tenth of the time, or less than 6 dB above the noise, is missed in part or
    whole. Where a tenth of the time or more is digital silence, all that is not passes for speech.

    ``silero`` is a small recurrent network, trained on noisy speech of many languages: noise that comes and goes is
    none to it. Very quiet speech (-50 dBFS) may be missed whole. It costs some 30 ms of a core for each second of
    audio, and needs the package ``silero-vad``, which brings its weights: ``pip install 'avis[vad]'``.

    None takes frames as `avis.audio.quality.measure` counts them: as ``energy``, less short pauses, with short bursts.

    Parameters
    ----------
    samples : array
        float32 ``[samples]``.
    sample_rate : int
        In Hz.
    vad : VadChoice or None
        Which detector.

    Returns
    -------
    np.ndarray
        int64 ``[stretches, 2]``: first sample and the one after the last, in order, without overlap.

    References
    ----------
    Silero Team: "Silero VAD: pre-trained enterprise-grade Voice Activity Detector", 2024.
    https://github.com/snakers4/silero-vad
    """
    if vad == "silero":
        return _by_silero(samples, sample_rate)
    return _by_energy(samples, sample_rate, smooth=vad is not None)


def trim(samples: np.ndarray, speech: np.ndarray, *, sample_rate: int, keep: TrimChoice, where: str) -> np.ndarray:
    """Cut away what is no speech, all but `PADDING_S` on either side of it.

    Parameters
    ----------
    samples : array
        float32 ``[samples]``.
    speech : array
        ``[stretches, 2]``, from `find_speech`.
    sample_rate : int
        In Hz.
    keep : TrimChoice
        ``none`` cuts nothing, ``ends`` what lies before the first and after the last stretch, ``all`` also what lies
        between them.
    where : str
        For the error.

    Raises
    ------
    AudioError
        ``no_speech``: there is nothing to keep.

    Examples
    --------
    >>> speech = np.array([[8000, 16000], [24000, 32000]])
    >>> len(trim(np.zeros(48000), speech, sample_rate=16000, keep="ends", where="a.wav"))
    27200
    """
    if keep == "none":
        return samples
    kept = kept_stretches(speech, num_samples=len(samples), sample_rate=sample_rate, keep=keep, where=where)
    return np.concatenate([samples[start:end] for start, end in kept])


def kept_stretches(
    speech: np.ndarray, *, num_samples: int, sample_rate: int, keep: TrimChoice, where: str
) -> np.ndarray:
    """Return what `trim` keeps of a recording, int64 ``[stretches, 2]``: first sample and the one after the last.

    Examples
    --------
    >>> speech = np.array([[8000, 16000], [18000, 32000]])
    >>> kept_stretches(speech, num_samples=48000, sample_rate=16000, keep="all", where="a.wav").tolist()
    [[6400, 33600]]
    """
    if keep == "none":
        return np.array([[0, num_samples]])
    if not len(speech):
        raise AudioError(
            "no_speech",
            f"nothing to keep: got speech_s=0 s, expected some speech. At {where}. Remove it, or do not trim.",
        )
    if keep == "ends":
        speech = np.array([[speech[0, 0], speech[-1, 1]]])
    padding = round(PADDING_S * sample_rate)
    kept = np.zeros(num_samples + 2, dtype=np.int8)
    for start, end in speech:
        kept[1 + max(0, start - padding) : 1 + min(num_samples, end + padding)] = 1
    return np.flatnonzero(np.diff(kept)).reshape(-1, 2)


def _by_energy(samples: np.ndarray, sample_rate: int, *, smooth: bool) -> np.ndarray:
    is_speech = speech_frames(frame_levels_db(samples, sample_rate=sample_rate))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_speech.astype(np.int8), [0]]))).reshape(-1, 2)
    if smooth and len(edges):
        is_pause = edges[1:, 0] - edges[:-1, 1] >= MIN_PAUSE_S / HOP_S
        starts = edges[np.concatenate([[True], is_pause]), 0]
        ends = edges[np.concatenate([is_pause, [True]]), 1]
        edges = np.stack([starts, ends], axis=1)[ends - starts >= MIN_SPEECH_S / HOP_S]
    # A frame stands for the hop in its middle.
    middle_s = (FRAME_S - HOP_S) / 2
    return np.minimum(np.rint((edges * HOP_S + middle_s) * sample_rate).astype(np.int64), len(samples))


def _by_silero(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    import torch

    silero = _silero()
    heard = samples if sample_rate == SILERO_RATE_HZ else soxr.resample(samples, sample_rate, SILERO_RATE_HZ)
    found = silero.timestamps(torch.from_numpy(heard), silero.model, sampling_rate=SILERO_RATE_HZ, speech_pad_ms=0)
    edges = np.array([[each["start"], each["end"]] for each in found], dtype=np.float64).reshape(-1, 2)
    return np.minimum(np.rint(edges * sample_rate / SILERO_RATE_HZ).astype(np.int64), len(samples))


class _Silero(threading.local):
    """The network, once in each thread, since it remembers what it heard; it comes with the package."""

    def __init__(self) -> None:
        import torch

        threads = torch.get_num_threads()
        try:
            import silero_vad
        except ImportError as error:
            raise ValueError(
                "package missing: got no silero_vad, expected it for vad=silero. At sharding.vad. "
                "Run pip install 'avis[vad]', or take vad=energy."
            ) from error
        torch.set_num_threads(threads)  # which importing it sets to one
        self.model, self.timestamps = silero_vad.load_silero_vad(), silero_vad.get_speech_timestamps


_silero = functools.cache(_Silero)
