"""A classification loss together with one that compares the utterances of a batch."""

from torch import Tensor, nn

from avis.losses.building import Unbuilt, build_loss


class Joint(nn.Module):
    """Sum of two losses of the same embeddings, such as softmax and angular prototypical.

    Parameters
    ----------
    embedding_dim, num_speakers : int
        For the parts that wait for them.
    classification, comparison : Unbuilt
        The losses; margins within them follow the schedule.
    comparison_weight : float
        Factor on the second loss, 0 or more.

    Raises
    ------
    ValueError
        If ``comparison_weight`` is negative.

    References
    ----------
    Kwon et al., "The Ins and Outs of Speaker Recognition: Lessons from VoxSRC 2020", ICASSP 2021, section 2.2 (angular
    prototypical and softmax), https://arxiv.org/abs/2010.15809.
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        classification: Unbuilt,
        comparison: Unbuilt,
        comparison_weight: float,
    ) -> None:
        super().__init__()
        check_weight("comparison_weight", comparison_weight)
        self.classification = build_loss(classification, embedding_dim=embedding_dim, num_speakers=num_speakers)
        self.comparison = build_loss(comparison, embedding_dim=embedding_dim, num_speakers=num_speakers)
        self.comparison_weight = comparison_weight

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum, and which examples the classification recognised."""
        loss, correct = self.classification(embeddings, speakers)
        comparison, _ = self.comparison(embeddings, speakers)
        return loss + self.comparison_weight * comparison, correct


def check_weight(name: str, weight: float) -> None:
    """Refuse the weight of a loss that is not 0 or more."""
    if not weight >= 0:
        raise ValueError(
            f"a loss cannot weigh less than nothing: got {name}={weight}, expected 0 or more. At loss.{name}."
        )
