"""Append how features change over time."""

import torch


class Deltas(torch.nn.Module):
    """Append slopes over time: of the features, of those slopes, and so on; frames at the ends are repeated.

    Parameters
    ----------
    order : int
        How many times: 2 gives three times the width.
    context_frames : int
        On either side, over which a slope is fitted by least squares (2 in Kaldi).

    References
    ----------
    S. Furui, "Speaker-independent isolated word recognition using dynamic features of speech spectrum",
    IEEE TASSP 34(1), 1986

    Examples
    --------
    >>> Deltas(order=1, context_frames=1)(torch.tensor([[0.0], [2.0], [4.0]]))
    tensor([[0., 1.],
            [2., 2.],
            [4., 1.]])
    """

    def __init__(self, *, order: int, context_frames: int) -> None:
        super().__init__()
        self.order = order
        self.context_frames = context_frames

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to ``[..., frames, (order + 1) * dim]``."""
        orders = [features]
        for _ in range(self.order):
            orders.append(self._slopes(orders[-1]))
        return torch.cat(orders, dim=-1)

    def _slopes(self, features: torch.Tensor) -> torch.Tensor:
        num_frames, context = features.shape[-2], self.context_frames
        frame = torch.arange(num_frames, device=features.device)
        slopes = torch.zeros_like(features)
        for away in range(1, context + 1):
            later, earlier = (frame + away).clamp_max(num_frames - 1), (frame - away).clamp_min(0)
            slopes = slopes + away * (features[..., later, :] - features[..., earlier, :])
        return slopes / (context * (context + 1) * (2 * context + 1) / 3)
