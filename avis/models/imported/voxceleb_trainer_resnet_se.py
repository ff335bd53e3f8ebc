"""ResNetSE34L and ResNetSE34V2 of clovaai/voxceleb_trainer."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.renaming import Imported, rename, take
from avis.models.residual import STRIDES
from avis.models.resnet_se import ResNetSe34L, ResNetSe34V2

PREFIX = "__S__."
"""Of the network's keys; ``__L__`` are those of the loss and its classifier."""
DROPPED = (r"torchfb\..*", r"instancenorm\..*", r"__L__\..*")
BLOCK = {
    "conv1": "first.conv",
    "bn1": "first.norm",
    "conv2": "second.conv",
    "bn2": "second.norm",
    r"se\.fc\.0": "gates.squeeze",
    r"se\.fc\.2": "gates.excite",
    r"downsample\.0": "shortcut.conv",
    r"downsample\.1": "shortcut.norm",
}
FAST = {"conv1": "first.conv", "bn1": "first.norm", "sap_linear": "pooling.frame", "fc": "embedding"}
WIDE = {
    "conv1": "first.0",
    "bn1": "first.2",
    r"attention\.0": "pooling.frame",
    r"attention\.2": "pooling.norm",
    r"attention\.3": "pooling.attention",
    "fc": "embedding",
}
ATTENTION = "attention"
"""The vector of the self-attention is a parameter of the network itself."""
PRE_EMPHASIS = "torchfb.0.flipped_filter"
"""A constant of front ends that emphasise, as those after 2020 do."""
NUM_MELS = 40
"""The mean over mels hides how many ResNetSE34L has: always 40 in the published recipes."""


def voxceleb_trainer_resnet_se34_l(weights: Mapping[str, Tensor], *, pre_emphasis: bool) -> Imported:
    """Return the ResNetSE34L (self-attentive pooling, ``SAP``, of 40 mels) of a voxceleb_trainer checkpoint.

    The front end's constants and the loss are left out. With ``ASP`` the embedding layer has another shape: refused.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of a ``model*.model`` file.
    pre_emphasis : bool
        Whether the front end that the model is to have emphasises; the published ``baseline_lite_ap.model`` is from
        before the toolkit did.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model, or if it was trained with another front end.

    References
    ----------
    clovaai/voxceleb_trainer, ``models/ResNetSE34L.py`` (read at 33b81d2) and ``models/ResNetBlocks.py`` (at dee4dce).
    """
    bare = {key.removeprefix(PREFIX): value for key, value in weights.items()}
    renamed = rename({key: bare[key] for key in bare if key != ATTENTION}, _rules(FAST), dropped=DROPPED)
    _check_front_end(bare, pre_emphasis=pre_emphasis)
    vector = take(bare, ATTENTION)
    renamed["pooling.attention.weight"] = vector.T.unsqueeze(2)
    renamed["pooling.frame.weight"] = take(renamed, "pooling.frame.weight").unsqueeze(2)
    channels = take(renamed, "first.conv.weight").shape[0]
    sizes = {
        "num_mels": NUM_MELS,
        "channels": channels,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
    }
    return Imported(ResNetSe34L, sizes, renamed)


def voxceleb_trainer_resnet_se34_v2(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ResNetSE34V2 (attentive statistics pooling, ``ASP``) of a voxceleb_trainer checkpoint.

    The front end's constants and the loss are left out. With ``SAP`` the embedding layer has another shape: refused.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of a ``model*.model`` file.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    clovaai/voxceleb_trainer, ``models/ResNetSE34V2.py`` (read at 3883cd4) and ``models/ResNetBlocks.py`` (at dee4dce).
    """
    bare = {key.removeprefix(PREFIX): value for key, value in weights.items()}
    renamed = rename(bare, _rules(WIDE), dropped=DROPPED)
    _check_front_end(bare, pre_emphasis=True)
    channels = take(renamed, "first.0.weight").shape[0]
    flat, stride = take(renamed, "pooling.frame.weight").shape[1], 2 ** (len(STRIDES) - 1)
    sizes = {
        "num_mels": flat // (channels * stride) * stride,
        "channels": channels,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
    }
    return Imported(ResNetSe34V2, sizes, renamed)


def _check_front_end(weights: Mapping[str, Tensor], *, pre_emphasis: bool) -> None:
    """Refuse a model whose front end, by the constants it left in the file, is another than the source's."""
    constants = [key for key in weights if key.startswith("torchfb.")]
    if not constants or (PRE_EMPHASIS in constants) != pre_emphasis:
        raise ValueError(
            f"front end of another version: got {constants or 'none of its constants'}, expected "
            f"{'' if pre_emphasis else 'no '}{PRE_EMPHASIS}. At weights. ResNetSE34L with it is "
            "source=voxceleb_trainer_resnet_se34_l, without it voxceleb_trainer_resnet_se34_l_2020."
        )


def _rules(layers: Mapping[str, str]) -> list[tuple[str, str]]:
    rules = list(layers.items())
    for stage in range(len(STRIDES)):
        rules += [(rf"layer{stage + 1}\.(\d+)\.{old}", rf"stages.{stage}.\1.{own}") for old, own in BLOCK.items()]
    return rules
