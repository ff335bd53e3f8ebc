"""Continue waveforms beyond their ends, so that frames lie around their times."""

import torch

from avis.features.waveforms import check_waveforms, frame_sizes


class MirroredEdges(torch.nn.Module):
    """Mirror both ends so that there is a frame around every shift: Kaldi's ``snip-edges=false``, as a first step.

    ``frame / 2 - shift / 2`` samples come before the waveform and as many after it as its frames need: as many frames
    as samples divided by the shift, rounded.

    Parameters
    ----------
    sample_rate, frame_length_ms, frame_shift_ms
        As those of the frames that follow.

    Examples
    --------
    >>> edges = MirroredEdges(sample_rate=1000, frame_length_ms=4.0, frame_shift_ms=2.0)
    >>> edges(torch.arange(6.0))
    tensor([0., 0., 1., 2., 3., 4., 5., 5.])
    """

    def __init__(self, *, sample_rate: int, frame_length_ms: float, frame_shift_ms: float) -> None:
        super().__init__()
        self.frame_samples, self.shift_samples = frame_sizes(
            sample_rate=sample_rate, frame_length_ms=frame_length_ms, frame_shift_ms=frame_shift_ms
        )
        self.before = max(0, self.frame_samples // 2 - self.shift_samples // 2)

    def num_samples(self, num_samples: int) -> int:
        """Return the length after mirroring; that of no whole frame where the waveform is too short to be mirrored."""
        if num_samples < self.frame_samples:
            return num_samples
        num_frames = (num_samples + self.shift_samples // 2) // self.shift_samples
        return max(num_samples + self.before, (num_frames - 1) * self.shift_samples + self.frame_samples)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[..., samples]`` to ``[..., num_samples(samples)]``."""
        check_waveforms(waveforms, min_samples=self.frame_samples, name="MirroredEdges")
        after = self.num_samples(waveforms.shape[-1]) - self.before - waveforms.shape[-1]
        mirrored = waveforms.flip(-1)
        left = mirrored[..., mirrored.shape[-1] - self.before :]
        return torch.cat((left, waveforms, mirrored[..., :after]), dim=-1)
