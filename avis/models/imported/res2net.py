"""Res2Net of 3D-Speaker and WeSpeaker."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.eres2net import BLOCK, GROUPS, RULES, STRIDE
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.res2net import FULL_WIDTH, Res2Bottleneck, Res2Net
from avis.models.residual import STRIDES


def res2net(weights: Mapping[str, Tensor]) -> Imported:
    """Return the Res2Net of a 3D-Speaker or WeSpeaker checkpoint; its widths are read from its tensors.

    A second embedding layer and another pooling than ``TSTP`` are refused.

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
    modelscope/3D-Speaker, ``speakerlab/models/res2net/Res2Net.py`` (read at d2647f1); wenet-e2e/wespeaker,
    ``wespeaker/models/res2net.py`` (at 3f08e2d).
    """
    rules = list(RULES)
    for stage in range(len(STRIDES)):
        layers = (BLOCK | GROUPS).items()
        rules += [(rf"layer{stage + 1}\.(\d+)\.{old}", rf"trunk.stages.{stage}.\1.{own}") for old, own in layers]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    channels = take(renamed, "trunk.first.conv.weight").shape[0]
    embedding_dim, pooled = take(renamed, "embedding.weight").shape
    width = take(renamed, "trunk.stages.0.0.groups.0.conv.weight").shape[0]
    sizes = {
        "num_mels": pooled // (2 * Res2Bottleneck.expansion * channels * STRIDE) * STRIDE,
        "channels": channels,
        "depths": [count(renamed, rf"trunk\.stages\.{stage}\.(\d+)\..*") for stage in range(len(STRIDES))],
        "base_width": width * FULL_WIDTH // channels,
        "scale": count(renamed, r"trunk\.stages\.0\.0\.groups\.(\d+)\..*") + 1,
        "embedding_dim": embedding_dim,
    }
    return Imported(Res2Net, sizes, renamed)
