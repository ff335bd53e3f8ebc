"""SpeechBrain's x-vector."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from avis.models.imported.renaming import Imported, rename, take
from avis.models.pooling import StatisticsPooling
from avis.models.xvector import KERNELS, XVector

MODULES_PER_LAYER = 3
"""Convolution, rectifier and normalisation: it numbers all three."""
STATISTICS = MODULES_PER_LAYER * (len(KERNELS) + 1)
MEAN_OFFSET, DEVIATION_OFFSET = 5e-5, 1e-5
"""What it adds to means, which is noise between 1e-5 and 9e-5, in the middle, and to deviations."""


def speechbrain_xvector(weights: Mapping[str, Tensor]) -> Imported:
    """Return the x-vector of a SpeechBrain checkpoint; its widths are read from its tensors.

    SpeechBrain adds noise of less than 1e-4 to the means that it pools, so that no two embeddings of one utterance are
    the same. Here its middle is added, with the bias of the layer after it.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of ``embedding_model.ckpt``. Its dilations (1, 2, 3, 1, 1) are the published ones and are not in the
        file.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    SpeechBrain 1.1.2, ``speechbrain/lobes/models/Xvector.py`` and ``speechbrain/nnet/pooling.py``.
    """
    rules = [(rf"blocks\.{STATISTICS + 1}\.w", "embedding")]
    for layer, own in enumerate([*(f"frames.{index}" for index in range(len(KERNELS))), "widen"]):
        first = MODULES_PER_LAYER * layer
        rules += [(rf"blocks\.{first}\.conv", f"{own}.conv"), (rf"blocks\.{first + 2}\.norm", f"{own}.norm")]
    renamed = rename(weights, rules)
    channels, num_mels, _ = take(renamed, "frames.0.conv.weight").shape
    matrix = take(renamed, "embedding.weight")
    means, deviations = matrix.chunk(2, dim=1)
    offset = MEAN_OFFSET * means.sum(dim=1) + DEVIATION_OFFSET * deviations.sum(dim=1)
    renamed["embedding.bias"] = take(renamed, "embedding.bias") + offset
    sizes = {
        "num_mels": num_mels,
        "channels": channels,
        "pooled_channels": take(renamed, "widen.conv.weight").shape[0],
        "pooling": partial(StatisticsPooling),
        "num_segment_layers": 1,
        "embedding_dim": matrix.shape[0],
        "reading": "speechbrain",
    }
    return Imported(XVector, sizes, renamed)
