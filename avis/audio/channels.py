"""Make one channel of several."""

from typing import Literal

import numpy as np

from avis.audio.audio_error import AudioError
from avis.audio.quality import measure

ChannelChoice = int | Literal["mix", "first", "best"]
"""Which channel a recording is heard by: its number from 1 on, the mean of all, the first, or the cleanest."""


def reduce_channels(block: np.ndarray, channel: ChannelChoice, *, where: str) -> np.ndarray:
    """Reduce a block of a recording to the channel that is wanted, as far as the block alone can tell.

    Parameters
    ----------
    block : array
        float32 ``[samples, channels]``.
    channel : ChannelChoice
        Number, ``mix`` or ``first``; with ``best``, which only the whole recording decides (see `best_channel`), all
        channels are kept.
    where : str
        For the error.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``, or ``[samples, channels]`` where several are left.

    Raises
    ------
    AudioError
        ``unreadable``: there is no channel of this number.
    """
    num_channels = block.shape[1]
    if isinstance(channel, int) and not 1 <= channel <= num_channels:
        raise AudioError(
            "unreadable",
            f"channel missing: got channel={channel}, expected 1 to {num_channels}. At {where}. Correct the channel.",
        )
    if num_channels == 1:
        return block[:, 0]
    if channel == "best":
        return block
    if channel == "mix":
        with np.errstate(invalid="ignore", over="ignore"):
            return block.mean(axis=1)
    return block[:, 0 if channel == "first" else int(channel) - 1].copy()


def best_channel(samples: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Return the channel of the highest speech-to-noise ratio by `avis.audio.quality.measure`.

    Where no channel has speech it is the loudest; the first of equals. A channel of digital silence never wins over
    one with sound, but its neighbour with a noise gate may win over one without: see the limits of the measure.

    Parameters
    ----------
    samples : array
        float32 ``[samples, channels]``, finite.
    sample_rate : int
        In Hz.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``.
    """
    found = [measure(column, sample_rate=sample_rate) for column in samples.T]
    ranks = [(-np.inf if each["snr_db"] is None else each["snr_db"], each["rms_dbfs"]) for each in found]
    return np.ascontiguousarray(samples[:, ranks.index(max(ranks))])
