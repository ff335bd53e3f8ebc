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
    ``E[x^2] - mean^2`` cancels where the mean is large. They are float32 or wider.

    Parameters
    ----------
    x : Tensor
        ``[batch, channels, frames]``.
    weights : Tensor or None
        ``[batch, channels, frames]``, non-negative, summing to one over frames; None for equal weights.
    num_frames : Tensor or None
        With equal weights: int64 ``[batch]``, how many of its frames are the utterance's; None if all are.
    floor : float
        Smallest variance.
    """
    if weights is None and num_frames is None and _by_hand(x):
        mean, deviation = _Plain.apply(x, floor)
        return mean, deviation
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    if weights is None and num_frames is not None:
        weights = equal_weights(x, num_frames)
    if weights is None:
        mean = x.mean(dim=2, keepdim=True)
        variance = (x - mean).square().mean(dim=2, keepdim=True)
    else:
        mean = (weights * x).sum(dim=2, keepdim=True)
        variance = (weights * (x - mean).square()).sum(dim=2, keepdim=True)
    return mean, variance.clamp(min=floor).sqrt()


def attentive_statistics(
    x: Tensor, logits: Tensor, num_frames: Tensor | None = None, *, floor: float = VARIANCE_FLOOR
) -> tuple[Tensor, Tensor]:
    """Return `weighted_statistics` under the weights `frame_weights` of logits of the shape of ``x``."""
    if num_frames is not None:
        logits = logits.masked_fill(~inside(logits, num_frames), -torch.inf)
    if _by_hand(x):
        mean, deviation = _Attentive.apply(x, logits, floor)
        return mean, deviation
    wide = torch.promote_types(x.dtype, torch.float32)
    return weighted_statistics(x, logits.softmax(dim=2, dtype=wide), floor=floor)


def _by_hand(x: Tensor) -> bool:
    """Whether gradients are asked for, and by autograd as it is: their formulas take a third of its passes."""
    return torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()


def _parts(x: Tensor) -> list[slice]:
    """Return what of a batch is gone through at once: on a CPU one utterance, which stays in the cache."""
    return [slice(i, i + 1) for i in range(len(x))] if x.device.type == "cpu" else [slice(None)]


class _Plain(torch.autograd.Function):
    """With ``d = x - mean``: the deviation's derivative by a frame is ``d / (frames * deviation)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        means, variances = [], []
        for part in _parts(x):
            wide = x[part].to(torch.promote_types(x.dtype, torch.float32))
            means.append(wide.mean(dim=2, keepdim=True))
            variances.append((wide - means[-1]).square_().mean(dim=2, keepdim=True))
        mean, variance = torch.cat(means), torch.cat(variances)
        deviation = variance.clamp(min=floor).sqrt()
        ctx.save_for_backward(x, mean, deviation, variance >= floor)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, mean, deviation, above_floor = ctx.saved_tensors
        of_mean, of_deviation = gradients
        frames = x.shape[2]
        level, slope = of_mean / frames, (of_deviation / (frames * deviation)).where(above_floor, 0.0)
        of_x = torch.empty_like(x)
        for part in _parts(x):
            of_x[part] = (x[part] - mean[part]).mul_(slope[part]).add_(level[part])
        return of_x, None


class _Attentive(torch.autograd.Function):
    """With ``d = x - mean``, ``w`` the weights, ``v`` the variance and ``g`` its gradient.

    By a frame the derivative is ``w (g_mean + 2 g d)``, by its logit ``w (g_mean d + g (d^2 - v))``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, logits: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        means, variances = [], []
        for part in _parts(x):
            wide = x[part].to(torch.promote_types(x.dtype, torch.float32))
            weights = logits[part].softmax(dim=2, dtype=wide.dtype)
            means.append((weights * wide).sum(dim=2, keepdim=True))
            variances.append((wide - means[-1]).square_().mul_(weights).sum(dim=2, keepdim=True))
        mean, variance = torch.cat(means), torch.cat(variances)
        deviation = variance.clamp(min=floor).sqrt()
        ctx.save_for_backward(x, logits, mean, variance, deviation, variance >= floor)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, logits, mean, variance, deviation, above_floor = ctx.saved_tensors
        of_mean, of_deviation = gradients
        of_variance = (of_deviation / (2 * deviation)).where(above_floor, 0.0)
        of_x, of_logits = torch.empty_like(x), torch.empty_like(logits)
        for part in _parts(x):
            from_mean, slope = x[part] - mean[part], of_variance[part]
            weights = logits[part].softmax(dim=2, dtype=from_mean.dtype)
            sloped = from_mean * slope
            common = sloped + of_mean[part]
            of_logits[part] = from_mean.mul_(common).sub_(slope * variance[part]).mul_(weights)
            of_x[part] = common.add_(sloped).mul_(weights)
        return of_x, of_logits, None


def statistics_contributions(
    x: Tensor, weights: Tensor, *, floor: float = VARIANCE_FLOOR, correction: Tensor | float = 1.0
) -> tuple[Tensor, Tensor]:
    """Split the statistics of `weighted_statistics` into what each frame contributes, and the rest.

    With weight ``w`` a frame contributes ``w x`` to the mean, and ``w (x - mean)^2 / deviation`` to the deviation; a
    deviation at its floor is the rest.

    Parameters
    ----------
    x : Tensor
        ``[batch, channels, frames]``.
    weights : Tensor
        ``[batch, channels or 1, frames]``, non-negative, summing to one over frames.
    floor : float
        Smallest variance.
    correction : Tensor or float
        What the deviations are multiplied by: that of `sample_correction`.

    Returns
    -------
    tuple of Tensor
        ``[batch, 2 * channels, frames]`` and ``[batch, 2 * channels]``, the means' first; float32 or wider.

    References
    ----------
    Euler's allocation: Tasche, "Risk contributions and performance measurement", 1999.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]]])
    >>> frames, rest = statistics_contributions(x, torch.full((1, 1, 3), 1 / 3))
    >>> frames.sum(dim=2).round(decimals=2), rest.round(decimals=4)  # the second channel's deviation is at its floor
    (tensor([[3.0000, 5.0000, 2.1600, 0.0000]]), tensor([[0.0000, 0.0000, 0.0000, 0.0032]]))
    """
    of_means = weights * x
    mean = of_means.sum(dim=2, keepdim=True)
    of_deviations = (x - mean).square_().mul_(weights)
    variance = of_deviations.sum(dim=2, keepdim=True)
    deviation, varies = variance.clamp(min=floor).sqrt(), variance > floor
    of_deviations.mul_(varies * correction / deviation)
    rest = torch.cat([torch.zeros_like(deviation), ~varies * correction * deviation], dim=1).squeeze(2)
    return torch.cat([of_means, of_deviations], dim=1), rest


def equal_weights(x: Tensor, num_frames: Tensor | None) -> Tensor:
    """Return what the frames of ``x`` ``[batch, channels, frames]`` weigh in a plain mean: ``[batch, 1, frames]``.

    They are of the precision of ``x``, and zero beyond an utterance's end.
    """
    own = torch.ones_like(x[:, :1]) if num_frames is None else inside(x, num_frames).to(x.dtype)
    return own / own.sum(dim=2, keepdim=True)


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
