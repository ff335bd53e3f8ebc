"""Lose packets on the way, as a call over a network does."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avis.augment.ranges import check_range, check_within


class PacketLoss:
    """Lose packets of a random length, each by itself, and conceal what is missing.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    min_packet_ms, max_packet_ms : float
        The length of a waveform's packets is drawn uniformly between these.
    min_lost_share, max_lost_share : float
        The probability that a packet is lost is drawn, for a waveform, uniformly between these.
    concealment : {"zero", "repeat"}
        ``zero``: silence for what is lost; ``repeat``: the last packet received (silence before the first).
    """

    bank: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        probability: float,
        sample_rate: int,
        min_packet_ms: float,
        max_packet_ms: float,
        min_lost_share: float,
        max_lost_share: float,
        concealment: Literal["zero", "repeat"],
    ) -> None:
        check_range(min_packet_ms, max_packet_ms, name="packet_ms", unit="ms", floor=1.0)
        check_range(min_lost_share, max_lost_share, name="lost_share", unit="of the packets", floor=0.0)
        check_within(max_lost_share, 0, 1, name="max_lost_share", unit="of the packets")
        if concealment not in ("zero", "repeat"):
            raise ValueError(
                f"A concealment must be known: got concealment={concealment!r}, expected zero or repeat. At augment, "
                "key concealment. Choose one of them."
            )
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_packet_ms = min_packet_ms
        self.max_packet_ms = max_packet_ms
        self.min_lost_share = min_lost_share
        self.max_lost_share = max_lost_share
        self.concealment = concealment

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return what is heard at the other end, float32 ``[samples]``."""
        size = max(1, round(rng.uniform(self.min_packet_ms, self.max_packet_ms) / 1000 * self.sample_rate))
        num_packets = -(-len(waveform) // size)
        lost = rng.random(num_packets) < rng.uniform(self.min_lost_share, self.max_lost_share)
        packets = np.pad(waveform, (0, num_packets * size - len(waveform))).reshape(num_packets, size)
        if self.concealment == "repeat":
            heard = np.maximum.accumulate(np.where(lost, -1, np.arange(num_packets)))
            packets, lost = packets[heard], heard < 0
        return np.where(lost[:, None], np.float32(0), packets).ravel()[: len(waveform)]
