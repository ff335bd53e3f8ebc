"""Take a recording in as every stage of AVIS hears it: one channel, one rate, measured, trimmed, in 16 bits."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from avis.audio.audio_error import MIN_SOURCE_RATE_HZ, AudioError
from avis.audio.channels import ChannelChoice, reduce_channels
from avis.audio.codec import quantise
from avis.audio.decode import GIVEN, check_duration, decode, make_usable
from avis.audio.quality import measure
from avis.audio.vad import TrimChoice, VadChoice, find_speech, kept_stretches

MAX_SOURCE_RATE_HZ = 1_000_000
MOST_CHANNELS = 64
WIDTH_OF_FILES = 16
"""Bits of most audio, also where it is held in wider integers."""


@dataclass(frozen=True)
class Recording:
    """A recording as it is kept and embedded.

    Attributes
    ----------
    values : int16 [samples]
        See `avis.audio.codec.to_float`.
    quality : dict
        See `avis.audio.quality.measure`: of the recording before it was trimmed.
    kept : int64 [stretches, 2]
        Which samples of the recording, at the rate that it was brought to, the values are.
    """

    values: np.ndarray
    quality: dict[str, float | None]
    kept: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """How recordings are taken in.

    Parameters
    ----------
    sample_rate : int
        Hz; every recording is brought to it.
    channel : {"mix", "first", "best"}
        What becomes of several channels; see `avis.audio.channels.ChannelChoice`.
    vad : {"energy", "silero"} or None
        What finds the speech, for ``speech_s`` and ``trim``: see `avis.audio.vad.find_speech`. None counts frames by
        their energy and leaves short pauses out: see `avis.audio.quality.measure`.
    trim : {"none", "ends", "all"}
        What is cut away where there is no speech: see `avis.audio.vad.trim`. Needs a ``vad``.
    min_duration_s : float
        Shorter recordings are refused, trimmed or not.
    """

    sample_rate: Annotated[int, Field(ge=1, le=MAX_SOURCE_RATE_HZ)]
    channel: ChannelChoice
    vad: VadChoice | None
    trim: TrimChoice
    min_duration_s: Annotated[float, Field(ge=0, le=3600)]

    def take(
        self,
        source: str | bytes,
        *,
        channel: ChannelChoice | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
    ) -> Recording:
        """Take in a file, or a stretch of it.

        Parameters
        ----------
        source : str or bytes
            Its path or URI, or what it holds.
        channel : ChannelChoice or None
            In place of the one set.
        start_s, end_s
            The stretch, in seconds of the file; ``end_s=None`` for its end.

        Raises
        ------
        AudioError
            See `avis.audio.decode.decode` and `avis.audio.vad.trim`.
        StorageError
            The storage does not answer.
        """
        samples = decode(
            source,
            sample_rate=self.sample_rate,
            min_duration_s=self.min_duration_s,
            channel=channel or self.channel,
            start_s=start_s,
            end_s=end_s,
        )
        return self._measured(samples, source if isinstance(source, str) else GIVEN)

    def take_samples(self, samples: np.ndarray, sample_rate: int) -> Recording:
        """Take in samples at a rate in Hz; errors as of `take`.

        Parameters
        ----------
        samples : array
            ``[samples]`` or ``[samples, channels]``: floats whose full scale is 1, or integers of their full range,
            unsigned ones around its middle.
        sample_rate : int

        Raises
        ------
        AudioError
            See `take`.
        ValueError
            If they are of other dimensions or kind, or the rate is none.
        """
        _check_samples(samples)
        if not len(samples):
            raise AudioError("empty", f"no audio: got samples=0, expected at least one. At {GIVEN}. Record it again.")
        if not MIN_SOURCE_RATE_HZ <= sample_rate <= MAX_SOURCE_RATE_HZ:  # nor is NaN
            raise ValueError(
                f"no sample rate: got {sample_rate} Hz, expected {MIN_SOURCE_RATE_HZ} to {MAX_SOURCE_RATE_HZ}. At "
                f"{GIVEN}. Give (samples, rate)."
            )
        floats = _of_full_scale(samples)
        one = reduce_channels(floats.reshape(len(floats), -1), self.channel, where=GIVEN)
        usable = make_usable(one, sample_rate, sample_rate=self.sample_rate, min_duration_s=self.min_duration_s)
        return self._measured(usable, GIVEN)

    def _measured(self, samples: np.ndarray, where: str) -> Recording:
        quality = measure(samples, sample_rate=self.sample_rate)
        kept = np.array([[0, len(samples)]])
        if self.vad is not None:
            speech = find_speech(samples, sample_rate=self.sample_rate, vad=self.vad)
            quality["speech_s"] = float((speech[:, 1] - speech[:, 0]).sum() / self.sample_rate)
            kept = kept_stretches(
                speech, num_samples=len(samples), sample_rate=self.sample_rate, keep=self.trim, where=where
            )
            samples = np.concatenate([samples[start:end] for start, end in kept])
            check_duration(len(samples) / self.sample_rate, self.min_duration_s, where=where)
        return Recording(quantise(samples), quality, kept)


def _check_samples(samples: np.ndarray) -> None:
    """Refuse what is no array of samples, or is turned the other way."""
    kind, shape = samples.dtype.kind, samples.shape
    turned = samples.ndim == 2 and shape[1] > max(shape[0], MOST_CHANNELS)
    if samples.ndim not in (1, 2) or kind not in "iuf" or turned or 0 in shape[1:]:
        raise ValueError(
            f"no samples: got {samples.dtype} of shape {shape}, expected real numbers [samples] or [samples, "
            f"channels], at most {MOST_CHANNELS} of these. At {GIVEN}. "
            f"{'Turn it round (samples.T).' if turned else 'Give such an array with its rate, or a path.'}"
        )


def _of_full_scale(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    limits = np.iinfo(samples.dtype)
    middle = 0 if limits.min else (limits.max + 1) // 2
    half = float(limits.max + 1 - middle)
    peak = max(abs(int(samples.max()) - middle), abs(int(samples.min()) - middle))
    if limits.bits > WIDTH_OF_FILES and 0 < peak <= 1 << (WIDTH_OF_FILES - 1):
        raise ValueError(
            f"full scale not known: got {samples.dtype} of at most {peak}, which is loud in 16 bits and silence in "
            f"{limits.bits}, expected what tells. At {GIVEN}. Give samples.astype('int16'), or floats within [-1, 1]."
        )
    return ((samples.astype(np.float64) - middle) / half).astype(np.float32)
