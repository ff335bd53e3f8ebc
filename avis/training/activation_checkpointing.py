"""Train in less memory: keep only what goes into a model's blocks, and compute the rest again for the gradients."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

LISTS = (nn.ModuleList, nn.Sequential)
LEAST_LAYERS = 4
"""With weights, of a block within a block."""


def checkpoint_activations(*models: nn.Module) -> None:
    """Let the models' blocks forget what they compute, and compute it again when gradients are asked for.

    Loss, gradients, running statistics and what dropout draws stay the same, as do the names of the weights.

    Raises
    ------
    ValueError
        If there are no blocks.

    References
    ----------
    Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, https://arxiv.org/abs/1604.06174
    """
    blocks = [block for model in models for block in repeated_blocks(model)]
    if not blocks:
        raise ValueError(
            f"nothing to compute again: got no blocks in {type(models[0]).__name__}, expected a list of them. At "
            "trainer.activation_checkpointing. Set it to false."
        )
    for block in blocks:
        contexts = partial(_contexts, block)
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=contexts)


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the members of a model's lists of modules; where a member is blocks for the most part, those.

    Single layers are left out: all they keep is what goes into them.

    >>> len(repeated_blocks(nn.ModuleList(nn.TransformerEncoderLayer(8, nhead=2) for _ in range(3))))
    3
    """
    blocks = []
    for child in model.children():
        listed = isinstance(model, LISTS) and not isinstance(child, LISTS)
        blocks += _cut(child) if listed else repeated_blocks(child)
    return blocks


def _cut(block: nn.Module) -> list[nn.Module]:
    """Return the blocks within a block if most of its weights are theirs, else the block itself."""
    inner = [part for part in repeated_blocks(block) if _num_layers(part) >= LEAST_LAYERS]
    if 2 * sum(map(_num_weights, inner)) > _num_weights(block):
        return inner
    return [block] if any(True for _ in block.children()) else []


def _num_layers(module: nn.Module) -> int:
    return sum(any(True for _ in part.parameters(recurse=False)) for part in module.modules())


def _num_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return what the first computation is done in, and what the second."""
    return nullcontext(), _on_copies_of_buffers(block)


@contextmanager
def _on_copies_of_buffers(block: nn.Module) -> Iterator[None]:
    """Keep the second computation from updating running statistics, which the first has done."""
    buffers = [(part, name, own) for part in block.modules() for name, own in part.named_buffers(recurse=False)]
    for part, name, own in buffers:
        setattr(part, name, own.clone())
    try:
        yield
    finally:
        for part, name, own in buffers:
            setattr(part, name, own)
