"""One loss of one batch, on however many workers its examples are.

Lightning's DDP takes the mean of the workers' gradients. So each worker's loss is such that the mean over the workers
is the loss of the whole batch, and that the mean of their gradients is its gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avis.random_streams import stream_seed


@dataclass(frozen=True)
class WholeBatch:
    """Where the examples of a batch are, and what is drawn for it.

    Attributes
    ----------
    sizes : sequence of int
        Examples on each worker; empty where one has them all.
    rank : int
        Which of the workers this is.
    drawn_by : tuple of int or None
        The training's seed, epoch and step, which say all that a loss draws; None draws by torch's own state.
    """

    sizes: Sequence[int] = ()
    rank: int = 0
    drawn_by: tuple[int, ...] | None = None

    def mean(self, losses: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return this worker's part of the mean over all examples, given the losses ``[batch]`` of its own.

        With weights ``[batch]`` the mean is weighted; they are added up over all workers.
        """
        if weights is not None:
            total = weights.sum()
            if self.sizes:
                dist.all_reduce(total)
            return (losses * weights).sum() * (max(1, len(self.sizes)) / total)
        if len(set(self.sizes)) < 2:
            return losses.mean()
        return losses.mean() * (len(losses) * len(self.sizes) / sum(self.sizes))

    def gather(self, values: Tensor) -> Tensor:
        """Return the rows of all workers, in the workers' order, of ``values`` ``[batch, ...]``; it has a gradient.

        What is computed of them is the whole batch's, on each worker alike. The gradient is the sum over the workers,
        of which DDP then takes the mean.
        """
        if not self.sizes:
            return values
        assert len(values) == self.sizes[self.rank], f"{len(values)} rows on worker {self.rank}, not as {self.sizes}"
        gathered: Tensor = _Gather.apply(values, tuple(self.sizes), self.rank)
        return gathered

    def generator(self, purpose: str, device: torch.device, *, alike: bool) -> torch.Generator | None:
        """Return the random generator of one purpose, ``alike`` on all workers or each worker's own."""
        if self.drawn_by is None:
            return None
        seed, *place = self.drawn_by
        number = stream_seed(seed, purpose, *place, *(() if alike else (self.rank,)))
        return torch.Generator(device).manual_seed(number)


class BatchLoss(nn.Module):
    """A loss that knows of the other workers' examples.

    Attributes
    ----------
    whole : WholeBatch
        Set before each step by `set_whole_batch`; until then the batch is all here.
    """

    whole = WholeBatch()

    def check(self, speakers: Tensor) -> None:
        """Refuse speakers ``[batch]``, on the CPU, that the loss is not made for."""

    def check_on_cpu(self, speakers: Tensor) -> None:
        """Check speakers unless they are on a device: reading them there would make it wait."""
        if speakers.device.type == "cpu":
            self.check(speakers)


def set_whole_batch(loss: nn.Module, whole: WholeBatch) -> None:
    """Let every part of a loss know where the examples of the next batch are."""
    for part in loss.modules():
        if isinstance(part, BatchLoss):
            part.whole = whole


def check_speakers(loss: nn.Module, speakers: Tensor) -> None:
    """Refuse one worker's speakers ``[batch]``, on the CPU still, that a part of a loss is not made for.

    Raises
    ------
    ValueError
        See there.
    """
    for part in loss.modules():
        if isinstance(part, BatchLoss):
            part.check(speakers)


class _Gather(torch.autograd.Function):
    """Rows of all workers; shorter shares are padded on their way."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
        ctx.start, ctx.size = sum(sizes[:rank]), sizes[rank]
        most = max(sizes)
        padded = values.new_zeros(most, *values.shape[1:])
        padded[: len(values)] = values
        gathered = values.new_empty(len(sizes) * most, *values.shape[1:])
        dist.all_gather_into_tensor(gathered, padded)
        if len(set(sizes)) == 1:
            return gathered
        return torch.cat([gathered[at * most : at * most + size] for at, size in enumerate(sizes)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.size], None, None
