"""SpeechBrain's pre-activated ResNet."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.residual import FRAME_STRIDE, STRIDES
from avis.models.resnet_preact import PreActResNet

RULES = [
    (r"conv1", "first.conv"),
    (r"bn1", "first.norm"),
    (r"attention\.0", "pooling.frame"),
    (r"attention\.2", "pooling.norm"),
    (r"attention\.3", "pooling.attention"),
    (r"norm_stats", "pooling_norm"),
    (r"fc_embed", "embedding"),
    (r"norm_embed", "embedding_norm"),
]
BLOCK = {
    "bn1": "norms.0",
    "conv1": "first",
    "bn2": "norms.1",
    "conv2": "second",
    "bn3": "norms.2",
    "conv3": "third",
    r"se\.fc\.0": "gates.squeeze",
    r"se\.fc\.2": "gates.excite",
    r"downsample\.0": "shortcut.conv",
    r"downsample\.1": "shortcut.norm",
}


def speechbrain_resnet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ResNet of a SpeechBrain checkpoint; its depths and widths are read from its tensors.

    SpeechBrain convolves images of frames by mels, AVIS of mels by frames: the kernels are transposed.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of ``embedding_model.ckpt``. Its strides (1, 2, 2, 2) are the published ones and are not in the file.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    SpeechBrain 1.1.2, ``speechbrain/lobes/models/ResNet.py``.
    """
    rules = list(RULES)
    for stage in range(len(STRIDES)):
        rules += [(rf"layer{stage + 1}\.(\d+)\.{old}", rf"stages.{stage}.\1.{own}") for old, own in BLOCK.items()]
    renamed = {
        key: value.mT.contiguous() if value.ndim == 4 else value for key, value in rename(weights, rules).items()
    }
    channels = [take(renamed, f"stages.{stage}.0.first.weight").shape[0] for stage in range(len(STRIDES))]
    sizes = {
        "num_mels": take(renamed, "pooling.frame.weight").shape[1] // channels[-1] * FRAME_STRIDE,
        "channels": channels,
        "depths": [count(renamed, rf"stages\.{stage}\.(\d+)\..*") for stage in range(len(STRIDES))],
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
    }
    return Imported(PreActResNet, sizes, renamed)
