"""An embedding as the sum of what each frame contributes and a rest, exactly: when a voice is heard in a recording."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from avis.models.pooled import PooledModel
from avis.models.precision import without_autocast


class Decomposition(NamedTuple):
    """One utterance's embedding, as ``of_frames.sum(dim=0) + rest``.

    What is linear in the embedding, as its dot product with another, splits in the same way. These are shares of it,
    and not what would change if a frame were taken out:

    - Convolutions have let a pooled frame see its neighbours, attention and gates the whole utterance.
    - Attention's weights, means and deviations are held as they are with all frames.
    - A deviation is no sum over frames; how it is split is one choice among others (see
      `avis.models.pooling.Pooling.contributions`).

    Attributes
    ----------
    embedding : Tensor
        ``[dim]``, as the model makes it.
    of_frames : Tensor
        ``[pooled frames, dim]``.
    rest : Tensor
        ``[dim]``: offsets of layers and running means, priors, and deviations at their floor.
    first_frame : float
        Where in the features' frames the first pooled one begins.
    frame_stride : int
        How many of the features' frames one pooled is of: pooled frame ``i`` of those from ``first_frame + i *
        frame_stride`` on, the midst of what convolutions have let it see. The first and last may reach beyond the ends.
    """

    embedding: Tensor
    of_frames: Tensor
    rest: Tensor
    first_frame: float
    frame_stride: int


def decompose(model: nn.Module, features: Tensor) -> Decomposition | None:
    """Split an utterance's embedding into what each frame contributes and the rest, in one forward pass.

    What the pooling returns is a sum over frames (`avis.models.pooling.Pooling.contributions`), and so is what an
    affine head makes of it.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    features : Tensor
        ``[frames, num_mels]``, in the precision of the model: float32 or wider.

    Returns
    -------
    Decomposition or None
        None where what follows the pooling is not affine, as the rectifier of an x-vector of two segment layers, or
        the model is none of `avis.models`.

    Raises
    ------
    ValueError
        If ``features`` do not fit the model.

    Examples
    --------
    >>> from avis.models.pooling import MeanPooling
    >>> from avis.models.xvector import XVector
    >>> sizes = dict(channels=8, pooled_channels=12, num_segment_layers=1, embedding_dim=6)
    >>> model, features = XVector(num_mels=80, pooling=MeanPooling, **sizes).eval(), torch.randn(30, 80)
    >>> split = decompose(model, features)
    >>> split.of_frames.shape, torch.allclose(split.of_frames.sum(dim=0) + split.rest, model(features[None]), atol=1e-5)
    (torch.Size([30, 6]), True)
    """
    if not (isinstance(model, PooledModel) and model.affine_head):
        return None
    assert not model.training, "batch normalisation by the batch is not affine: call eval() first"
    with torch.inference_mode(), without_autocast(features.device):
        frames, num_frames = model.pooled_frames(features.unsqueeze(0))
        contributions, rest = model.pooling.contributions(frames, num_frames)
        num_pooled = contributions.shape[2]
        whole = contributions.sum(dim=2) + rest
        of_zero, of_rest, embedding = model.embedding_head(torch.cat([torch.zeros_like(rest), rest, whole]))
        # as if each were an utterance: the offset, many times a frame's share, must not round it off
        as_utterances = contributions[0].mul_(num_pooled).T.contiguous()
        of_frames = (model.embedding_head(as_utterances) - of_zero) / num_pooled
    return Decomposition(embedding, of_frames, of_rest, model.first_frame(len(features)), model.frame_stride)
