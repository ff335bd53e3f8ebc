"""WeSpeaker's x-vector, which 3D-Speaker has with one layer after the pooling."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from avis.models.imported.renaming import Imported, rename, take
from avis.models.pooling import StatisticsPooling
from avis.models.xvector import KERNELS, XVector

MEAN = "running_mean"
"""What a batch normalisation without scale and offset has."""


def wespeaker_xvector(weights: Mapping[str, Tensor]) -> Imported:
    """Return the x-vector of a WeSpeaker or 3D-Speaker checkpoint; its widths are read from its tensors.

    Another pooling than ``TSTP`` is refused. Utterances of less than 15 frames, which those cannot embed, are embedded.

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
    wenet-e2e/wespeaker, ``wespeaker/models/tdnn.py`` (read at 3f08e2d); modelscope/3D-Speaker,
    ``speakerlab/models/xvector/TDNN.py`` (at da1e44a).
    """
    rules = [(r"seg_1", "embedding"), (r"seg_bn_1", "second.1"), (r"seg_2", "second.2")]
    for layer, own in enumerate([*(f"frames.{index}" for index in range(len(KERNELS))), "widen"]):
        rules += [(rf"frame_{layer + 1}\.conv_1d", f"{own}.conv"), (rf"frame_{layer + 1}\.bn", f"{own}.norm")]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    for key, mean in list(renamed.items()):
        if key.endswith(MEAN):
            renamed.setdefault(key.replace(MEAN, "weight"), torch.ones_like(mean))
            renamed.setdefault(key.replace(MEAN, "bias"), torch.zeros_like(mean))
    channels, num_mels, _ = take(renamed, "frames.0.conv.weight").shape
    sizes = {
        "num_mels": num_mels,
        "channels": channels,
        "pooled_channels": take(renamed, "widen.conv.weight").shape[0],
        "pooling": partial(StatisticsPooling),
        "num_segment_layers": 2 if "second.2.weight" in renamed else 1,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
        "reading": "wespeaker",
    }
    return Imported(XVector, sizes, renamed)
