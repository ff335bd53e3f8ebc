"""The channel groups of Res2 blocks, of which AVIS passes the first unchanged, and other toolkits the last."""

import torch
from torch import Tensor


def last_group_first(weights: dict[str, Tensor], *, width: int) -> dict[str, Tensor]:
    """Move the last channel group to the front: of what enters the Res2 convolutions, and where their output is used.

    Parameters
    ----------
    weights : dict of str to Tensor
        Under AVIS's names: ``blocks.<number>.convs.0`` before, and ``blocks.<number>.convs.2`` after the convolutions.
    width : int
        Channels of a group.
    """
    return {key: _moved(key, value, width) for key, value in weights.items()}


def _moved(key: str, value: Tensor, width: int) -> Tensor:
    if not key.startswith("blocks.") or value.ndim == 0:
        return value
    if ".convs.0." in key:
        return torch.roll(value, width, dims=0)
    return torch.roll(value, width, dims=1) if key.endswith(".convs.2.conv.weight") else value
