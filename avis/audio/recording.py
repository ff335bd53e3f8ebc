"""Take a recording in as every stage of AVIS hears it: one channel, one rate, measured, trimmed, in 16 bits."""

from dataclasses import dataclass

import numpy as np

from avis.audio.audio_error import AudioError, check_source_rate
from avis.audio.channels import ChannelChoice, reduce_channels
from avis.audio.codec import quantise
from avis.audio.decode import GIVEN, check_duration, decode, make_usable
from avis.audio.quality import measure
from avis.audio.vad import TrimChoice, VadChoice, find_speech, trim


@dataclass(frozen=True)
class Recording:
    """A recording as it is kept and embedded.

    Attributes
    ----------
    values : int16 [samples]
        See `avis.audio.codec.to_float`.
    quality : dict
        See `avis.audio.quality.measure`: of the recording before it was trimmed.
    """

    values: np.ndarray
    quality: dict[str, float | None]


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

    sample_rate: int
    channel: ChannelChoice
    vad: VadChoice | None
    trim: TrimChoice
    min_duration_s: float

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
            ``[samples]`` or ``[samples, channels]``: integers, or floats whose full scale is 1.
        sample_rate : int

        Raises
        ------
        AudioError
            See `take`.
        ValueError
            If it has other dimensions, or no numbers.
        """
        if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf" or samples.shape[-1:] == (0,):
            raise ValueError(
                f"no samples: got {samples.dtype} of shape {samples.shape}, expected real numbers [samples] or "
                f"[samples, channels]. At {GIVEN}. Turn it round, or give a path."
            )
        if not len(samples):
            raise AudioError("empty", f"no audio: got samples=0, expected at least one. At {GIVEN}. Record it again.")
        check_source_rate(sample_rate, where=GIVEN)
        full_scale = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max) + 1
        with np.errstate(over="ignore"):
            floats = (samples / full_scale).astype(np.float32)
        one = reduce_channels(floats.reshape(len(floats), -1), self.channel, where=GIVEN)
        usable = make_usable(one, sample_rate, sample_rate=self.sample_rate, min_duration_s=self.min_duration_s)
        return self._measured(usable, GIVEN)

    def _measured(self, samples: np.ndarray, where: str) -> Recording:
        quality = measure(samples, sample_rate=self.sample_rate)
        if self.vad is not None:
            speech = find_speech(samples, sample_rate=self.sample_rate, vad=self.vad)
            quality["speech_s"] = float((speech[:, 1] - speech[:, 0]).sum() / self.sample_rate)
            samples = trim(samples, speech, sample_rate=self.sample_rate, keep=self.trim, where=where)
            check_duration(len(samples) / self.sample_rate, self.min_duration_s, where=where)
        return Recording(quantise(samples), quality)
