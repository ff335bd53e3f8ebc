"""Lose packets on the way, as a call over a network does."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.ranges import check_range, check_within
from avis.augment.transform import BatchTransform

WORD = 32
"""Bits in each whole number that says which packets are lost."""


class PacketLoss(BatchTransform):
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

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the samples of a packet and, as bits of whole numbers of `WORD` bits, which packets are lost."""
        size = max(1, round(rng.uniform(self.min_packet_ms, self.max_packet_ms) / 1000 * self.sample_rate))
        num_packets = -(-num_samples // size)
        lost = rng.random(num_packets) < rng.uniform(self.min_lost_share, self.max_lost_share)
        words = np.pad(lost, (0, -num_packets % WORD)).reshape(-1, WORD) @ 2.0 ** np.arange(WORD)
        return [size, *words.tolist()]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return what is heard at the other end, float32 ``[samples]``."""
        size, num_packets = int(drawn[0]), -(-len(waveform) // int(drawn[0]))
        lost = np.array([int(word) >> bit & 1 for word in drawn[1:] for bit in range(WORD)], bool)[:num_packets]
        packets = np.pad(waveform, (0, num_packets * size - len(waveform))).reshape(num_packets, size)
        if self.concealment == "repeat":
            heard = np.maximum.accumulate(np.where(lost, -1, np.arange(num_packets)))
            packets, lost = packets[heard], heard < 0
        return np.where(lost[:, None], np.float32(0), packets).ravel()[: len(waveform)]

    def most_drawn(self, num_samples: int) -> int:
        """Return room for the shortest packets."""
        size = max(1, round(self.min_packet_ms / 1000 * self.sample_rate))
        return 1 + -(-num_samples // (size * WORD))

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return what is heard at the other ends, float32 ``[batch, samples]``."""
        size, words = drawn[:, :1].long(), drawn[:, 1:].nan_to_num(0).long()
        lost = (words[:, :, None] >> torch.arange(WORD, device=words.device) & 1).bool().flatten(1)
        numbers = torch.arange(lost.shape[1], device=words.device)
        heard = torch.where(lost, -1, numbers)
        if self.concealment == "repeat":
            heard = heard.cummax(dim=1).values
        places = torch.arange(waveforms.shape[1], device=words.device)
        source = heard.gather(1, places // size)
        padded = torch.nn.functional.pad(waveforms, (0, 1))
        taken = (source * size + places % size).clamp(0, waveforms.shape[1])
        return padded.gather(1, torch.where(source < 0, waveforms.shape[1], taken))
