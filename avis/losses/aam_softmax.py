"""Additive angular margin softmax (ArcFace), with optional sub-centres."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SINE_SQUARED_FLOOR = 1e-6
"""Smallest sin^2 before the square root, so that its gradient stays finite at |cos| = 1."""


class AamSoftmax(nn.Module):
    """Cross entropy over scaled cosines, after moving the target away by an angle.

    The target's cosine ``cos(theta)`` becomes ``cos(theta + margin)``. Beyond ``theta = pi - margin``, where that would
    rise again, it is ``cos(theta) - margin * sin(margin)``, as in the authors' code, so that the loss never falls as
    the angle grows. Everything is computed in float32 or wider, under autocast too.

    Parameters
    ----------
    embedding_dim
        Values per embedding.
    num_speakers
        Number of training speakers.
    scale
        Factor on the cosines (``s`` in the paper).
    margin
        Angle in radians, 0 to pi/2 (``m``); the attribute `margin` can be changed while training. At 0 the loss is
        plain softmax cross entropy over scaled cosines.
    num_subcenters
        Directions per speaker, of which the nearest counts; 1 is plain ArcFace.

    Raises
    ------
    ValueError
        If ``margin`` is not between 0 and pi/2.

    References
    ----------
    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, Eq. 3,
    https://arxiv.org/abs/1801.07698; Deng et al., "Sub-center ArcFace", ECCV 2020, section 3.2.

    Examples
    --------
    >>> criterion = AamSoftmax(embedding_dim=4, num_speakers=3, scale=32.0, margin=0.2, num_subcenters=1)
    >>> loss, logits = criterion(torch.randn(2, 4), torch.tensor([0, 2]))
    >>> loss.shape, logits.shape
    (torch.Size([]), torch.Size([2, 3]))
    """

    def __init__(
        self, *, embedding_dim: int, num_speakers: int, scale: float, margin: float, num_subcenters: int
    ) -> None:
        super().__init__()
        self.num_speakers = num_speakers
        self.scale = scale
        self.margin = margin
        self.num_subcenters = num_subcenters
        self.weight = nn.Parameter(torch.empty(num_speakers * num_subcenters, embedding_dim))
        nn.init.xavier_uniform_(self.weight)

    @property
    def margin(self) -> float:
        """Angle in radians by which the target is moved away."""
        return self._margin

    @margin.setter
    def margin(self, value: float) -> None:
        if not 0 <= value <= math.pi / 2:
            raise ValueError(
                f"the margin is an angle that makes the target harder: got margin={value} rad, expected 0 to pi/2. "
                "At loss.margin. 0.2 and 0.3 are usual."
            )
        self._margin = value

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the scaled cosines of a batch.

        Parameters
        ----------
        embeddings
            ``[batch, embedding_dim]``, of any length.
        speakers
            ``[batch]`` int64, each in 0 ... ``num_speakers - 1``.

        Returns
        -------
        loss
            Scalar: the mean over the batch.
        logits
            ``[batch, num_speakers]`` scaled cosines without the margin, detached: for accuracy.

        Raises
        ------
        ValueError
            If a speaker is out of range.
        """
        self._check(speakers)
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines = self._cosines(embeddings)
            target = speakers.unsqueeze(1)
            moved = self._add_margin(cosines.gather(1, target))
            logits = self.scale * cosines
            loss = functional.cross_entropy(logits.scatter(1, target, self.scale * moved), speakers)
        return loss, logits.detach()

    def _cosines(self, embeddings: Tensor) -> Tensor:
        """Return ``[batch, num_speakers]``: the cosine with each speaker's nearest sub-centre."""
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        cosines = functional.linear(
            functional.normalize(embeddings.to(dtype)), functional.normalize(self.weight.to(dtype))
        )
        if self.num_subcenters == 1:
            return cosines
        return cosines.unflatten(1, (self.num_speakers, self.num_subcenters)).amax(dim=2)

    def _add_margin(self, cosine: Tensor) -> Tensor:
        cos_m, sin_m = math.cos(self.margin), math.sin(self.margin)
        sine = (1 - cosine.square()).clamp(min=SINE_SQUARED_FLOOR).sqrt()
        return torch.where(cosine > -cos_m, cosine * cos_m - sine * sin_m, cosine - self.margin * sin_m)

    def _check(self, speakers: Tensor) -> None:
        lowest, highest = torch.stack(torch.aminmax(speakers)).tolist()
        if lowest < 0 or highest >= self.num_speakers:
            raise ValueError(
                f"a speaker is not one of the loss's classes: got speakers={lowest} ... {highest}, expected 0 ... "
                f"{self.num_speakers - 1}. At loss.num_speakers. Build the loss with the number of training speakers."
            )
