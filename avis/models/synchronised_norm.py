"""Batch normalisation by the statistics of all workers' examples."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class SynchronisedBatchNorm(_BatchNorm):
    """Batch normalisation, in training by mean and variance over the batch of all workers, however it is dealt out.

    In evaluation, and where one worker has the whole batch, it is `torch.nn.BatchNorm1d` or ``2d``. Unlike
    `torch.nn.SyncBatchNorm` it runs on CPUs too. Statistics are float32 or wider; one exchange forward and one back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[batch, channels, ...]``."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(x)
        return self._of_all(x)

    @torch.compiler.disable
    def _of_all(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None, "it keeps running statistics"
        assert self.num_batches_tracked is not None, "it counts its batches"
        assert self.running_var is not None, "it keeps running statistics"
        assert self.momentum is not None, "its running statistics are of the latest batches"
        ones, zeros = torch.ones_like(self.running_mean), torch.zeros_like(self.running_mean)
        weight, bias = (self.weight, self.bias) if self.affine else (ones, zeros)
        out, mean, variance, count = _Normalise.apply(x, weight, bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        normalised: Tensor = out
        return normalised

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim >= 2, "a batch of channels"


def synchronise(model: nn.Module) -> None:
    """Let all batch normalisation in a model go by all workers' examples; weights and their names stay.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    >>> synchronise(model)
    >>> type(model[1]).__name__, sorted(model.state_dict())[:3]
    ('SynchronisedBatchNorm', ['0.bias', '0.weight', '1.bias'])
    """
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.__class__ = SynchronisedBatchNorm  # in its place, whoever refers to it


class _Normalise(torch.autograd.Function):
    """The normalised batch, with mean, biased variance and number of the values that they are of."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        wide = torch.promote_types(x.dtype, torch.float32)
        mean, variance, count = _statistics(x, wide)
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        out = functional.batch_norm(x, mean, variance, weight.to(wide), bias.to(wide), training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance, count)
        return out, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        wide = mean.dtype
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0].contiguous(),
            x,
            weight.to(wide),
            mean,
            variance,
            None,
            None,
            False,
            ctx.eps,
            [True, True, True],
        )  # as if the statistics were given; what comes through them is again a normalised x
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        slope, offset = -weight.to(wide) / (variance + ctx.eps).sqrt() / count * sums
        of_x += functional.batch_norm(x, mean, variance, slope, offset, training=False, eps=ctx.eps)
        return of_x, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _statistics(x: Tensor, wide: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and biased variance ``[channels]`` over all workers' values, and how many those are of a channel."""
    channels = x.shape[1]
    zeros = x.new_zeros(2, channels, dtype=wide)  # whose precision the statistics take
    mean, variance = torch.batch_norm_update_stats(x, zeros[0], zeros[1], 0.0)
    own = torch.cat([mean, variance, mean.new_full((1,), x.numel() / channels)])
    all_own = own.new_empty(dist.get_world_size() * len(own))
    dist.all_gather_into_tensor(all_own, own)
    means, variances, counts = all_own.view(-1, len(own)).split([channels, channels, 1], dim=1)
    count = counts.sum()
    mean = (counts * means).sum(dim=0) / count
    return mean, (counts * (variances + (means - mean).square())).sum(dim=0) / count, count
