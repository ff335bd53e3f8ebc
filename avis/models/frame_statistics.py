"""Means and standard deviations over frames."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from avis.models.masking import inside

VARIANCE_FLOOR = 1e-5
"""Smallest variance before the square root, so that its gradient stays finite on constant channels."""
STATISTICS_FLOOR = 1e-8
"""The same for plain statistics, whose channels are more often constant: wespeaker's."""


def weighted_statistics(
    x: Tensor, weights: Tensor | None = None, *, num_frames: Tensor | None = None, floor: float = VARIANCE_FLOOR
) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation over frames, both ``[batch, channels, 1]``.

    The deviation is taken around the mean in a second pass: ``torch.var`` costs several times as much on a CPU, and
    ``E[x^2] - mean^2`` cancels where the mean is large. In training the derivatives are written out, in a third of the
    passes over the frames that autograd takes.

    Parameters
    ----------
    x : Tensor
        ``[batch, channels, frames]``, float32 or float64.
    weights : Tensor or None
        ``[batch, channels, frames]``, non-negative, summing to one over frames; None for equal weights.
    num_frames : Tensor or None
        With equal weights: int64 ``[batch]``, how many of its frames are the utterance's; None if all are.
    floor : float
        Smallest variance.
    """
    if weights is None and num_frames is not None:
        weights = inside(x, num_frames).to(x.dtype) / num_frames.view(-1, 1, 1)
    if torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling():
        mean, deviation = _Plain.apply(x, floor) if weights is None else _Weighted.apply(x, weights, floor)
        return mean, deviation
    if weights is None:
        mean = x.mean(dim=2, keepdim=True)
        variance = (x - mean).square().mean(dim=2, keepdim=True)
    else:
        mean = (weights * x).sum(dim=2, keepdim=True)
        variance = (weights * (x - mean).square()).sum(dim=2, keepdim=True)
    return mean, variance.clamp(min=floor).sqrt()


class _Plain(torch.autograd.Function):
    """With ``d = x - mean``: the deviation's derivative by a frame is ``d / (frames * deviation)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        mean = x.mean(dim=2, keepdim=True)
        from_mean = x - mean
        variance = from_mean.square().mean(dim=2, keepdim=True)
        deviation = variance.clamp(min=floor).sqrt()
        ctx.save_for_backward(from_mean, deviation, variance >= floor)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        from_mean, deviation, above_floor = ctx.saved_tensors
        of_mean, of_deviation = gradients
        frames = from_mean.shape[2]
        slope = (of_deviation / (frames * deviation)).where(above_floor, 0.0)
        return torch.addcmul(of_mean / frames, from_mean, slope), None


class _Weighted(torch.autograd.Function):
    """With ``d = x - mean`` and ``g`` the variance's gradient.

    By a frame it is ``w (g_mean + 2 g d)``, by its weight ``g_mean x + g d^2``, since ``w d`` sums to zero.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        mean = (weights * x).sum(dim=2, keepdim=True)
        from_mean = x - mean
        variance = from_mean.square().mul_(weights).sum(dim=2, keepdim=True)
        deviation = variance.clamp(min=floor).sqrt()
        ctx.save_for_backward(weights, from_mean, mean, deviation, variance >= floor)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weights, from_mean, mean, deviation, above_floor = ctx.saved_tensors
        of_mean, of_deviation = gradients
        of_variance = (of_deviation / (2 * deviation)).where(above_floor, 0.0)
        common = torch.addcmul(of_mean, from_mean, of_variance)
        of_weights = torch.addcmul(of_mean * mean, from_mean, common) if ctx.needs_input_grad[1] else None
        return common.addcmul_(from_mean, of_variance).mul_(weights), of_weights, None


def frame_weights(logits: Tensor, num_frames: Tensor | None) -> Tensor:
    """Return ``logits`` ``[batch, channels, frames]`` as weights that sum to one over the utterance's frames."""
    if num_frames is not None:
        logits = logits.masked_fill(~inside(logits, num_frames), -torch.inf)
    return logits.softmax(dim=2)


def sample_correction(x: Tensor, num_frames: Tensor | None) -> Tensor:
    """Return what makes the sample's deviation (divisor ``frames - 1``) of that over the frames of ``x``."""
    one_per_frame = torch.ones((), device=x.device).expand(
        x.shape[2]
    )  # counted, so that an exported model counts them too
    frames = one_per_frame.sum() if num_frames is None else num_frames.view(-1, 1, 1)
    return (frames / (frames - 1).clamp(min=1)).sqrt()
