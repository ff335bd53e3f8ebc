"""A model whose weights are shuffled, layer by layer from the top downwards: a map that stays owes nothing to training.

After Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018 (https://arxiv.org/abs/1810.03292), who draw new
weights; shuffled ones keep their scale, and so that of what layers pass on.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from avis.random_streams import stream_seed
from avis.verifier.verifier import Verifier


def cascade(verifier: Verifier, *, seed: int = 0) -> Iterator[tuple[str, Verifier]]:
    """Yield each of a model's parts by name, from the last to the first, and a verifier that is shuffled down to it.

    Parts without weights are passed over. Back-end and calibration stay as they were.

    Parameters
    ----------
    verifier : Verifier
        Is left as it is.
    seed : int
        Of the shuffling.
    """
    model = copy.deepcopy(verifier.model)
    generator = torch.Generator().manual_seed(stream_seed(seed, "cascade"))
    for name, part in [*model.named_children()][::-1]:
        if _shuffle(part, generator):
            yield name, with_model(verifier, copy.deepcopy(model))


def with_model(verifier: Verifier, model: nn.Module, front_end: nn.Module | None = None) -> Verifier:
    """Return a verifier that hears with another model, and another front end if one is given."""
    other = copy.copy(verifier)
    other.model = model.eval()
    other.front_end = verifier.front_end if front_end is None else front_end.eval()
    return other


@torch.no_grad()
def _shuffle(part: nn.Module, generator: torch.Generator) -> bool:
    """Shuffle the values of each of a part's tensors, running statistics among them; say whether there were any."""
    shuffled = False
    for tensor in [*part.parameters(), *part.buffers()]:
        if tensor.is_floating_point() and tensor.numel() > 1:
            order = torch.randperm(tensor.numel(), generator=generator)
            tensor.copy_(tensor.flatten()[order].view_as(tensor))
            shuffled = True
    return shuffled
