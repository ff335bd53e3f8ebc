"""Take a step in portions where a worker's share of the batch does not fit in memory."""

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor


def micro_batches(batch: Mapping[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """Split a batch into so many micro-batches, alike but for one example.

    Examples
    --------
    >>> import torch
    >>> [part["speaker"].tolist() for part in micro_batches({"speaker": torch.arange(5)}, 2)]
    [[0, 1, 2], [3, 4]]
    """
    num = len(batch["speaker"])
    ends = [-(-place * num // count) for place in range(count + 1)]
    return [{key: value[first:end] for key, value in batch.items()} for first, end in pairwise(ends)]


def number_of_parts(most: int, size: int | None) -> int:
    """Return how many micro-batches of at most ``size`` examples a step has, on each worker alike.

    Parameters
    ----------
    most : int
        Examples of the worker that has most.
    size : int or None
        None takes all at once.

    Examples
    --------
    >>> number_of_parts(43, 42), number_of_parts(43, None)
    (2, 1)
    """
    return 1 if size is None else -(-most // size)
