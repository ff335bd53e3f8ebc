"""Batches of several utterances of each speaker, for the losses that compare utterances with each other."""

import torch
from torch import Tensor
from torch.nn import functional


def grouped(embeddings: Tensor, speakers: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Split a batch ``[batch, dim]`` into groups ``[groups, size, dim]`` of one speaker each ``[groups]``.

    The values are float32 or wider.

    Raises
    ------
    ValueError
        If ``size`` is below 2 or some ``size`` rows in turn are not of one speaker.

    Examples
    --------
    >>> groups, speakers = grouped(torch.randn(4, 3), torch.tensor([7, 7, 1, 1]), 2)
    >>> groups.shape, speakers.tolist()
    (torch.Size([2, 2, 3]), [7, 1])
    """
    if size < 2 or len(speakers) % size or (speakers.view(-1, size) != speakers[::size, None]).any():
        raise ValueError(
            f"a batch is not made of groups of one speaker: got utterances_per_speaker={size} and a batch of "
            f"{len(speakers)} utterances of {len(speakers.unique())} speakers, expected at least 2 of each speaker in "
            "turn. At trainer.utterances_per_speaker. Set it to 2 or more; if it is, lower trainer.groups_per_block."
        )
    return widened(embeddings).unflatten(0, (-1, size)), speakers[::size]


def widened(embeddings: Tensor) -> Tensor:
    """Return embeddings in float32 or wider."""
    return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))


def pair_cosines(embeddings: Tensor) -> Tensor:
    """Return the cosines ``[batch, batch]`` of all pairs."""
    unit = functional.normalize(widened(embeddings))
    return unit @ unit.T


def pair_kinds(speakers: Tensor) -> tuple[Tensor, Tensor]:
    """Return bool ``[batch, batch]``: which pairs are of one speaker, and which are an utterance with itself.

    Raises
    ------
    ValueError
        If an utterance is the only one of its speaker, or all are of one speaker.
    """
    same, itself = speakers[:, None] == speakers, torch.eye(len(speakers), dtype=torch.bool, device=speakers.device)
    if (same.sum(dim=1) < 2).any() or same.all():
        raise ValueError(
            f"a batch lacks pairs: got {len(speakers)} utterances of {len(speakers.unique())} speakers, expected at "
            "least 2 of each of at least 2 speakers. At trainer.utterances_per_speaker. Set it to 2 or more."
        )
    return same, itself


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
