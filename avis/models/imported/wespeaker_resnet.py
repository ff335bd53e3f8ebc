"""WeSpeaker's ResNet18 to ResNet293, pooled by temporal statistics; 3D-Speaker has its ResNet34."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.pooling import StatisticsPooling
from avis.models.residual import STRIDES, Bottleneck
from avis.models.resnet import ResNet

STAGE = r"layer{stage}\.(\d+)"
BASIC = {"1": "first", "2": "second"}
BOTTLENECK = {"1": "narrow", "2": "middle", "3": "widen"}
NORMS_PARTS = {"conv": "conv", "bn": "norm"}
SHORTCUT = {"0": "conv", "1": "norm"}


def wespeaker_resnet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ResNet of a WeSpeaker checkpoint; depths, widths and the kind of block are read from its tensors.

    A second embedding layer, another pooling than ``TSTP`` and a front end trained with the model are refused.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict as ``wespeaker/bin/train.py`` and ``average_model.py`` write it.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    wenet-e2e/wespeaker, ``wespeaker/models/resnet.py`` (read at 10868f6) and ``pooling_layers.py`` (at 0333e19);
    modelscope/3D-Speaker, ``speakerlab/models/resnet/ResNet.py`` (at 66001bc).
    """
    depths = [count(weights, rf"layer{stage}\.(\d+)\..*") for stage in range(1, len(STRIDES) + 1)]
    bottleneck = "layer1.0.conv3.weight" in weights
    parts = BOTTLENECK if bottleneck else BASIC
    rules = [(r"conv1", "trunk.first.conv"), (r"bn1", "trunk.first.norm"), (r"seg_1", "embedding")]
    for stage in range(len(STRIDES)):
        block, new = STAGE.format(stage=stage + 1), rf"trunk.stages.{stage}.\1"
        rules += [
            (rf"{block}\.{kind}{number}", f"{new}.{part}.{own}")
            for number, part in parts.items()
            for kind, own in NORMS_PARTS.items()
        ]
        rules += [(rf"{block}\.shortcut\.{index}", f"{new}.shortcut.{own}") for index, own in SHORTCUT.items()]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    channels = take(renamed, "trunk.first.conv.weight").shape[0]
    embedding_dim, pooled = take(renamed, "embedding.weight").shape
    top = channels * 2 ** (len(STRIDES) - 1) * (Bottleneck.expansion if bottleneck else 1)
    sizes = {
        "num_mels": pooled // (2 * top) * 2 ** (len(STRIDES) - 1),
        "channels": channels,
        "depths": depths,
        "bottleneck": bottleneck,
        "embedding_dim": embedding_dim,
        "pooling": partial(StatisticsPooling),
    }
    return Imported(ResNet, sizes, renamed)
