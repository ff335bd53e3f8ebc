"""Models that pool frames: layers over frames, a pooling layer, and layers of the utterance."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from avis.models.pooling import Pooling


class PooledModel(nn.Module, ABC):
    """What maps features to embeddings by ``embedding_head(pooling(pooled_frames))``: every model here.

    Attributes
    ----------
    embedding_dim : int
        Values per embedding.
    pooling : Pooling
        What makes one vector of an utterance's frames.
    embedding : torch.nn.Linear
        What makes an embedding of that.
    affine_head : bool
        Whether at inference all that follows the pooling is affine, so that an embedding can be split
        (`avis.models.decomposition.decompose`).
    frame_stride : int
        Frames of the features from one pooled frame to the next.
    """

    embedding_dim: int
    pooling: Pooling
    embedding: nn.Linear
    affine_head: bool = True
    frame_stride: int = 1

    @abstractmethod
    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, and how much of it is the utterance's.

        Parameters
        ----------
        features : Tensor
            ``[batch, frames, num_mels]``.
        num_frames : Tensor or None
            int64 ``[batch]``: how many of the features' frames are the utterance's; None if all are.

        Returns
        -------
        (Tensor, Tensor or None)
            ``[batch, channels, pooled frames]``, and int64 ``[batch]``: how many of these are the utterance's.

        Raises
        ------
        ValueError
            If ``features`` has no frames or another number of mels than the model.
        """

    def first_frame(self, num_frames: int) -> float:
        """Return where in features of so many frames the first pooled one begins; each is of ``frame_stride`` of them.

        It is the midst of what convolutions have let it see, so that the first may begin before the features.
        """
        return (1 - self.frame_stride) / 2

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """Map what the pooling returns, ``[batch, pooling.out_channels]``, to embeddings ``[batch, embedding_dim]``."""
        return self.embedding(pooled)

    def forward(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return embeddings ``[batch, embedding_dim]``, not length-normalised, of ``[batch, frames, num_mels]``.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.

        Raises
        ------
        ValueError
            As `pooled_frames`.
        """
        frames, num_frames = self.pooled_frames(features, num_frames)
        return self.embedding_head(self.pooling(frames, num_frames))
