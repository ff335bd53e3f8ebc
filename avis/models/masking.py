"""Batches of utterances of different lengths: what lies beyond an utterance's end is kept at zero.

A convolution pads with zeros at an utterance's end; if the frames beyond it are zeros too, a padded utterance comes out
as it would alone. So models set them to zero before everything that looks at other frames, and leave them out of means.
"""

import torch
from torch import Tensor


def mask_frames(x: Tensor, num_frames: Tensor | None) -> Tensor:
    """Set the frames beyond each utterance's end to zero.

    Parameters
    ----------
    x : Tensor
        ``[batch, ..., frames]``.
    num_frames : Tensor or None
        int64 ``[batch]``: how many of its frames are the utterance's; None if all are.

    Examples
    --------
    >>> mask_frames(torch.ones(2, 1, 3), torch.tensor([3, 1]))
    tensor([[[1., 1., 1.]],
    <BLANKLINE>
            [[1., 0., 0.]]])
    """
    return x if num_frames is None else x * inside(x, num_frames)


def mirror_frames(x: Tensor, num_frames: Tensor, *, width: int) -> Tensor:
    """Continue each utterance beyond both its ends by ``width`` frames, mirrored there.

    ``[batch, channels, frames]`` becomes ``[batch, channels, frames + 2 * width]``; utterances
    are longer than ``width``.

    >>> mirror_frames(torch.arange(4.0).view(1, 1, 4), torch.tensor([3]), width=1)
    tensor([[[1., 0., 1., 2., 1., 0.]]])
    """
    place = torch.arange(-width, x.shape[2] + width, device=x.device).abs()
    last = num_frames.view(-1, 1) - 1
    place = torch.where(place > last, 2 * last - place, place).clamp(min=0)
    return x.gather(2, place.unsqueeze(1).expand(-1, x.shape[1], -1))


def inner_frames(x: Tensor, num_frames: Tensor | None, *, width: int) -> tuple[Tensor, Tensor | None]:
    """Leave out ``width`` frames at both ends of each utterance, or as many as leave its one or two middle ones.

    Returns the frames left of ``x`` ``[batch, channels, frames]``, and how many of them are the utterance's.

    >>> inner_frames(torch.arange(5.0).view(1, 1, 5), torch.tensor([4]), width=1)
    (tensor([[[1., 2., 3., 4., 4.]]]), tensor([2]))
    >>> inner_frames(torch.arange(5.0).view(1, 1, 5), None, width=9)
    (tensor([[[2.]]]), None)
    """
    if num_frames is None:
        first = min(width, (x.shape[2] - 1) // 2)
        return x[:, :, first : x.shape[2] - first], None
    left_out = ((num_frames - 1) // 2).clamp(max=width)
    place = torch.arange(x.shape[2], device=x.device) + left_out.view(-1, 1)
    place = place.clamp(max=x.shape[2] - 1).unsqueeze(1).expand_as(x)
    return x.gather(2, place), num_frames - 2 * left_out


def inside(x: Tensor, num_frames: Tensor) -> Tensor:
    """Return which frames of ``x`` ``[batch, ..., frames]`` are the utterance's: bool ``[batch, 1, ..., frames]``."""
    frames = torch.arange(x.shape[-1], device=x.device)
    return (frames < num_frames.unsqueeze(1)).view(len(x), *(1,) * (x.ndim - 2), x.shape[-1])


def mean_frames(x: Tensor, num_frames: Tensor | None) -> Tensor:
    """Return the mean over each utterance's frames, ``[batch, ..., 1]``, of ``x`` ``[batch, ..., frames]``."""
    if num_frames is None:
        return x.mean(dim=-1, keepdim=True)
    return mask_frames(x, num_frames).sum(dim=-1, keepdim=True) / num_frames.view(-1, *(1,) * (x.ndim - 1))


def strided(num_frames: Tensor | None, stride: int) -> Tensor | None:
    """Return how many frames are left of each utterance when every ``stride``-th is kept."""
    return num_frames if num_frames is None else (num_frames + stride - 1) // stride
