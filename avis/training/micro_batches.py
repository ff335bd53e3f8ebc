"""Take a step in portions where a worker's share of the batch does not fit in memory."""

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor


def micro_batches(batch: Mapping[str, Tensor], size: int | None) -> list[dict[str, Tensor]]:
    """Split a batch into as few micro-batches of at most ``size`` examples as will do, alike but for one example.

    Examples
    --------
    >>> import torch
    >>> [part["speaker"].tolist() for part in micro_batches({"speaker": torch.arange(5)}, 3)]
    [[0, 1, 2], [3, 4]]
    """
    num = len(batch["speaker"])
    count = 1 if size is None else -(-num // size)
    ends = [-(-place * num // count) for place in range(count + 1)]
    return [{key: value[first:end] for key, value in batch.items()} for first, end in pairwise(ends)]
