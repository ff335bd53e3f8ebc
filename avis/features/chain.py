"""Make features in steps, each of which is a class of its own in the configuration."""

from typing import Any

import torch


class Chain(torch.nn.Module):
    """Steps on waveforms, one that makes frames of them, and steps on frames, one after the other.

    Parameters
    ----------
    dim : int
        Width of the features that come out, for which models are built.
    steps : list of torch.nn.Module
        Exactly one has ``num_frames``: it makes frames. Those before it map float32 ``[..., samples]`` to the same,
        those after it float32 ``[..., frames, dim]``.

    Raises
    ------
    ValueError
        If not exactly one step makes frames; in `forward`, if the features have another width than ``dim``.

    Examples
    --------
    >>> from avis.features.normalise import MeanNorm
    >>> from avis.features.raw import Raw
    >>> chain = Chain(dim=1, steps=[Raw(), MeanNorm()])
    >>> chain(torch.ones(2, 100)).shape, chain.num_frames(100)
    (torch.Size([2, 100, 1]), 100)
    """

    def __init__(self, *, dim: int, steps: list[torch.nn.Module]) -> None:
        super().__init__()
        self.dim = dim
        self.steps = torch.nn.ModuleList(steps)
        framing = [place for place, step in enumerate(steps) if hasattr(step, "num_frames")]
        if len(framing) != 1:
            raise ValueError(
                f"One step of a chain makes frames: got {len(framing)} of "
                f"{[type(step).__name__ for step in steps]}, expected 1. At features.front_end.steps. Put one front "
                "end, such as Fbank, PowerSpectrogram, Raw or Sinc, among the steps."
            )
        self.framing = framing[0]

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames ``num_samples`` give; zero when none does."""
        steps: list[Any] = list(self.steps)
        for step in steps[: self.framing]:
            num_samples = step.num_samples(num_samples) if hasattr(step, "num_samples") else num_samples
        return steps[self.framing].num_frames(num_samples)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms, float32 ``[batch, samples]`` or ``[samples]``, to float32 ``[batch, frames, dim]``."""
        features = waveforms
        for step in self.steps:
            features = step(features)
        if features.shape[-1] != self.dim:
            raise ValueError(
                f"The features have another width than stated: got dim={self.dim}, expected {features.shape[-1]}. At "
                "features.front_end.dim. State what the steps give."
            )
        return features
