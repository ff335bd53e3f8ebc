"""Make a loss of what a configuration gives."""

from collections.abc import Callable

from torch import nn

Unbuilt = nn.Module | Callable[..., nn.Module]
"""A loss, or what makes one of the keyword arguments ``embedding_dim`` and ``num_speakers``."""


def build_loss(loss: Unbuilt, *, embedding_dim: int, num_speakers: int) -> nn.Module:
    """Return a loss: those over the training speakers wait for their number, those of a batch's utterances don't."""
    return loss if isinstance(loss, nn.Module) else loss(embedding_dim=embedding_dim, num_speakers=num_speakers)
