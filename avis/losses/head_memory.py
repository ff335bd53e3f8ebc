"""How much memory the head of a loss over many speakers takes."""

import torch
from torch import nn

from avis.losses.classifier import SpeakerClassifier

FLOAT32_BYTES = 4
KEPT_WEIGHTS = 4
"""Weights, gradient and Adam's two moments, over all speakers."""
STEP_WEIGHTS = 2
"""Normalised weights and their gradient, over the sampled speakers."""
STEP_LOGITS = 4
"""Cosines, logits after the margin, their softmax and the gradient, over the batch and the sampled speakers."""


def head_bytes(loss: nn.Module, batch: int) -> int:
    """Estimate the bytes that the classifiers within a loss take on one worker, under Adam, in a training step.

    An upper bound for optimisers with fewer moments; without the embeddings and what the model takes.

    Parameters
    ----------
    batch : int
        Examples per worker.

    Examples
    --------
    A million speakers with one direction of 256 values, 128 examples: 6 GB of weights and 2 GB of logits.

    >>> from avis.losses.softmax import Softmax
    >>> with torch.device("meta"):
    ...     loss = Softmax(embedding_dim=256, num_speakers=1_000_000, sample_rate=1.0, balance=0.0)
    >>> round(head_bytes(loss, 128) / 1e9, 1)
    8.2
    """
    total = 0
    for part in loss.modules():
        if isinstance(part, SpeakerClassifier):
            size = part.weight.numel()
            logits = batch * part.num_speakers * part.num_subcenters
            sampled = STEP_WEIGHTS * size + STEP_LOGITS * logits
            total += FLOAT32_BYTES * (KEPT_WEIGHTS * size + round(part.sample_rate * sampled))
    return total


def say_head_memory(loss: nn.Module, batch: int) -> None:
    """Print what the head of a loss will take, if it has one, and a warning if this machine's GPU is too small."""
    needed = head_bytes(loss, batch)
    if not needed:
        return
    at_hand = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    of = f" of {at_hand / 2**30:.0f} GiB on the GPU" if at_hand else ""
    print(f"loss: its head takes about {needed / 2**30:.2g} GiB{of} per worker", flush=True)
    if at_hand and needed > at_hand:
        print("loss: that is too much; lower loss.sample_rate, trainer.batch_size or model.embedding_dim", flush=True)
