"""WeSpeaker's SimAM-ResNet34 and SimAM-ResNet100."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.residual import FRAME_STRIDE, STRIDES
from avis.models.resnet_simam import SimAmResNet

RULES = [
    (r"front\.conv1", "trunk.first.conv"),
    (r"front\.bn1", "trunk.first.norm"),
    (r"pooling\.attention\.0", "pooling.frame"),
    (r"pooling\.attention\.2", "pooling.norm"),
    (r"pooling\.attention\.3", "pooling.attention"),
    (r"bottleneck", "embedding"),
]
BLOCK = {
    "conv1": "first.conv",
    "bn1": "first.norm",
    "conv2": "second.conv",
    "bn2": "second.norm",
    r"downsample\.0": "shortcut.conv",
    r"downsample\.1": "shortcut.norm",
}


def wespeaker_simam_resnet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the SimAM-ResNet of a WeSpeaker checkpoint; its depths and widths are read from its tensors.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    wenet-e2e/wespeaker, ``wespeaker/models/samresnet.py`` and ``pooling_layers.py`` (both read at 6b149b3).
    """
    rules = list(RULES)
    for stage in range(len(STRIDES)):
        block, new = rf"front\.layer{stage + 1}\.(\d+)", rf"trunk.stages.{stage}.\1"
        rules += [(rf"{block}\.{old}", f"{new}.{own}") for old, own in BLOCK.items()]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    channels = take(renamed, "trunk.first.conv.weight").shape[0]
    embedding_dim, pooled = take(renamed, "embedding.weight").shape
    top = channels * 2 ** (len(STRIDES) - 1)
    sizes = {
        "num_mels": pooled // (2 * top) * FRAME_STRIDE,
        "channels": channels,
        "depths": [count(renamed, rf"trunk\.stages\.{stage}\.(\d+)\..*") for stage in range(len(STRIDES))],
        "embedding_dim": embedding_dim,
    }
    return Imported(SimAmResNet, sizes, renamed)
