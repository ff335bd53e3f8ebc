"""Batches of several utterances of each speaker, for the losses that compare utterances with each other."""

import torch
from torch import Tensor
from torch.nn import functional

from avis.losses.whole_batch import BatchLoss


class GroupLoss(BatchLoss):
    """A loss between groups of utterances of one speaker each, all workers' together.

    Parameters
    ----------
    utterances_per_speaker : int
        Rows of a batch that belong together, as `trainer.utterances_per_speaker` delivers them; at least 2.
    """

    def __init__(self, *, utterances_per_speaker: int) -> None:
        super().__init__()
        self.utterances_per_speaker = utterances_per_speaker

    def check(self, speakers: Tensor) -> None:
        """Refuse speakers ``[batch]``, on the CPU, that are not in groups."""
        check_groups(speakers, self.utterances_per_speaker)

    def groups(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the groups of all workers ``[groups, utterances_per_speaker, dim]``, and their speakers."""
        self.check_on_cpu(speakers)
        size = self.utterances_per_speaker
        return self.whole.gather(widened(embeddings)).unflatten(0, (-1, size)), self.whole.gather(speakers)[::size]


class PairLoss(BatchLoss):
    """A loss between pairs of utterances, all workers' together."""

    def check(self, speakers: Tensor) -> None:
        """Refuse speakers ``[batch]``, on the CPU, that make no pairs; other speakers may be on other workers."""
        check_pairs(speakers, alone=not self.whole.sizes)

    def pairs(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cosines of all pairs, and `pair_kinds`: three times ``[whole batch, whole batch]``."""
        self.check_on_cpu(speakers)
        return pair_cosines(self.whole.gather(widened(embeddings))), *pair_kinds(self.whole.gather(speakers))


def check_groups(speakers: Tensor, size: int) -> None:
    """Refuse a batch that is not made of groups, ``size`` rows in turn of one speaker each.

    Raises
    ------
    ValueError
        If ``size`` is below 2 or some ``size`` rows in turn are not of one speaker.

    >>> check_groups(torch.tensor([7, 7, 1, 1]), 2)
    """
    if size < 2 or len(speakers) % size or (speakers.view(-1, size) != speakers[::size, None]).any():
        raise ValueError(
            f"a batch is not made of groups of one speaker: got utterances_per_speaker={size} and a batch of "
            f"{len(speakers)} utterances of {len(speakers.unique())} speakers, expected at least 2 of each speaker in "
            "turn. At trainer.utterances_per_speaker. Set it to 2 or more; if it is, lower trainer.groups_per_block."
        )


def check_pairs(speakers: Tensor, *, alone: bool) -> None:
    """Refuse a batch without pairs.

    Raises
    ------
    ValueError
        If an utterance is the only one of its speaker or, where the batch is ``alone``, all are of one speaker.
    """
    same = speakers[:, None] == speakers
    if (same.sum(dim=1) < 2).any() or (alone and same.all()):
        raise ValueError(
            f"a batch lacks pairs: got {len(speakers)} utterances of {len(speakers.unique())} speakers, expected at "
            "least 2 of each of at least 2 speakers. At trainer.utterances_per_speaker. Set it to 2 or more."
        )


def widened(embeddings: Tensor) -> Tensor:
    """Return embeddings in float32 or wider."""
    return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))


def pair_cosines(embeddings: Tensor) -> Tensor:
    """Return the cosines ``[batch, batch]`` of all pairs."""
    unit = functional.normalize(widened(embeddings))
    return unit @ unit.T


def pair_kinds(speakers: Tensor) -> tuple[Tensor, Tensor]:
    """Return bool ``[batch, batch]``: which pairs are of one speaker, and which are an utterance with itself."""
    itself = torch.eye(len(speakers), dtype=torch.bool, device=speakers.device)
    return speakers[:, None] == speakers, itself


def nearest_is_own(cosines: Tensor, same: Tensor, itself: Tensor) -> Tensor:
    """Return bool ``[batch]``: whether the most similar other utterance is of the same speaker."""
    nearest = cosines.detach().masked_fill(itself, -torch.inf).argmax(dim=1, keepdim=True)
    return same.gather(1, nearest).squeeze(1)


def classify_groups(similarities: Tensor, speakers: Tensor, queried: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of queries against groups, and which queries came to their own group.

    Parameters
    ----------
    similarities : Tensor
        ``[queries, groups]``.
    speakers : Tensor
        ``[groups]``; other groups of the query's own speaker are left out, since they are neither right nor wrong.
    queried : Tensor
        ``[queries]``: the query's own group.
    """
    own = functional.one_hot(queried, len(speakers)).bool()
    logits = similarities.masked_fill((speakers[queried, None] == speakers) & ~own, -torch.inf)
    return functional.cross_entropy(logits, queried), logits.detach().argmax(dim=1) == queried
