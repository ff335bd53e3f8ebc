"""Take the mean, and the deviation, over time out of features."""

import torch


class MeanNorm(torch.nn.Module):
    """Subtract the mean over the utterance (cepstral mean normalisation)."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape."""
        return features - features.mean(dim=-2, keepdim=True)


class MeanVarNorm(torch.nn.Module):
    """Subtract the mean over the utterance and divide by the sample standard deviation plus an offset.

    Parameters
    ----------
    offset : float
        Keeps what does not change finite.
    """

    def __init__(self, *, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape; a single frame gives zeros."""
        centred = features - features.mean(dim=-2, keepdim=True)
        variance = centred.square().sum(dim=-2, keepdim=True) / max(1, features.shape[-2] - 1)
        return centred / (variance.sqrt() + self.offset)


class InstanceNorm(torch.nn.Module):
    """Subtract the mean over the utterance and divide by the root of the variance plus an offset.

    Parameters
    ----------
    offset : float
        Keeps what does not change finite.

    References
    ----------
    D. Ulyanov et al., "Instance normalization: the missing ingredient for fast stylization", arXiv:1607.08022
    """

    def __init__(self, *, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape."""
        centred = features - features.mean(dim=-2, keepdim=True)
        return centred * (centred.square().mean(dim=-2, keepdim=True) + self.offset).rsqrt()


class SlidingNorm(torch.nn.Module):
    """Subtract the mean over a window that moves along, as Kaldi's ``apply-cmvn-sliding`` (without its variances).

    Parameters
    ----------
    window_frames : int
        Of the window; near the ends of an utterance it stands still, and shorter utterances take all their frames.
    min_window_frames : int
        Where the window ends at its frame, its length grows from this at the beginning.
    center : bool
        Put the frame into the middle of the window, rather than at its end.

    Examples
    --------
    >>> sliding = SlidingNorm(window_frames=3, min_window_frames=3, center=True)
    >>> sliding(torch.tensor([[1.0], [2.0], [6.0], [7.0]])).flatten()
    tensor([-2., -1.,  1.,  2.])
    """

    def __init__(self, *, window_frames: int, min_window_frames: int, center: bool) -> None:
        super().__init__()
        self.window_frames = window_frames
        self.min_window_frames = min_window_frames
        self.center = center

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape."""
        num_frames = features.shape[-2]
        start, end = self._windows(torch.arange(num_frames, device=features.device), num_frames)
        sums = torch.nn.functional.pad(features.double().cumsum(dim=-2), (0, 0, 1, 0))
        means = (sums[..., end, :] - sums[..., start, :]) / (end - start).unsqueeze(-1)
        return (features - means).to(features.dtype)

    def _windows(self, frame: torch.Tensor, num_frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return first frames of the windows and those after their last."""
        if self.center:
            start = (frame - self.window_frames // 2).clamp_min(0)
            end = start + self.window_frames
        else:
            start = (frame - self.window_frames).clamp_min(0)
            end = (frame + 1).clamp_min(self.min_window_frames)
        beyond = (end - num_frames).clamp_min(0)
        return (start - beyond).clamp_min(0), end - beyond
