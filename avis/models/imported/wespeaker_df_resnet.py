"""WeSpeaker's Gemini DF-ResNet60 to DF-ResNet237."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.df_resnet import MEL_STRIDE, STRIDES, GeminiDfResNet
from avis.models.imported.renaming import Imported, count, rename, take

RULES = [
    (r"downsample_layers\.0\.0", "first.conv"),
    (r"downsample_layers\.0\.1", "first.norm"),
    (r"seg_1", "embedding"),
]
PARTS = {"1": "widen", "2": "middle", "3": "narrow"}
CONV_AND_NORM = {"conv": "conv", "bn": "norm"}


def wespeaker_df_resnet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the Gemini DF-ResNet of a WeSpeaker checkpoint; its depths and widths are read from its tensors.

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
    wenet-e2e/wespeaker, ``wespeaker/models/gemini_dfresnet.py`` (read at 3f08e2d).
    """
    rules = list(RULES)
    for stage in range(len(STRIDES)):
        halving, new = rf"downsample_layers\.{stage + 1}", f"stages.{stage}"
        rules += [(rf"{halving}\.0", f"{new}.halving.conv"), (rf"{halving}\.1", f"{new}.halving.norm")]
        rules += [
            (rf"stages\.{stage}\.(\d+)\.{kind}{number}", rf"{new}.blocks.\1.{part}.{own}")
            for number, part in PARTS.items()
            for kind, own in CONV_AND_NORM.items()
        ]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    channels = take(renamed, "first.conv.weight").shape[0]
    embedding_dim, pooled = take(renamed, "embedding.weight").shape
    top = channels * 2 ** (len(STRIDES) - 1)
    sizes = {
        "num_mels": pooled // (2 * top) * MEL_STRIDE,
        "channels": channels,
        "depths": [count(renamed, rf"stages\.{stage}\.blocks\.(\d+)\..*") for stage in range(len(STRIDES))],
        "embedding_dim": embedding_dim,
    }
    return Imported(GeminiDfResNet, sizes, renamed)
