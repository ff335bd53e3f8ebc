"""WeSpeaker's ECAPA-TDNN of any width, whose attention sees the utterance (``GLOB``) or not."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from avis.models.ecapa_tdnn import BLOCK_DILATIONS, EcapaTdnn
from avis.models.imported.channel_groups import last_group_first
from avis.models.imported.ecapa_attention import JOINED, part_attention
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.pooling import AttentiveStatisticsPooling

BLOCK = r"layer{number}\.se_res2block"
RULES = [
    (r"layer1\.conv", "first.conv"),
    (r"layer1\.bn", "first.norm"),
    (r"conv", "aggregation"),
    (r"pool\.linear1", JOINED),
    (r"pool\.linear2", "pooling.attention"),
    (r"bn", "pooling_norm"),
    (r"linear", "embedding"),
]
CONV_AND_NORM = (("conv", "conv"), ("bn", "norm"))
VARIANCE_FLOOR = 1e-10
FIRST_BLOCK = 2
"""Its first block is called ``layer2``."""


def wespeaker_ecapa(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ECAPA-TDNN of a WeSpeaker checkpoint; its widths are read from its tensors.

    A normalised embedding (``emb_bn``, keys ``bn2``) and another pooling
    than ``ASTP`` are refused.

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
    wenet-e2e/wespeaker, ``wespeaker/models/ecapa_tdnn.py`` and ``pooling_layers.py`` (both read at 0333e19).
    """
    rules = list(RULES)
    for index in range(len(BLOCK_DILATIONS)):
        block, new = BLOCK.format(number=FIRST_BLOCK + index), f"blocks.{index}"
        for part in (0, 2):
            rules += [(rf"{block}\.{part}\.{old}", f"{new}.convs.{part}.{own}") for old, own in CONV_AND_NORM]
        rules += [(rf"{block}\.1\.{old}s\.(\d+)", rf"{new}.convs.1.groups.\1.{own}") for old, own in CONV_AND_NORM]
        rules += [(rf"{block}\.3\.linear1", f"{new}.gates.squeeze"), (rf"{block}\.3\.linear2", f"{new}.gates.excite")]
    renamed = part_attention(rename(weights, rules, dropped=[r"projection\..*"]))
    channels, num_mels, _ = take(renamed, "first.conv.weight").shape
    scale = count(renamed, r"blocks\.0\.convs\.1\.groups\.(\d+)\..*") + 1
    pooling = partial(
        AttentiveStatisticsPooling,
        attention_channels=take(renamed, "pooling.frame.weight").shape[0],
        norm=False,
        context="pooling.context.weight" in renamed,
        sample_deviation=True,
        floor=VARIANCE_FLOOR,
    )
    sizes = {
        "num_mels": num_mels,
        "channels": channels,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
        "mfa_channels": take(renamed, "aggregation.weight").shape[0],
        "se_channels": take(renamed, "blocks.0.gates.squeeze.weight").shape[0],
        "scale": scale,
        "stride": 1,
        "pooling": pooling,
        "reading": "wespeaker",
    }
    return Imported(EcapaTdnn, sizes, last_group_first(renamed, width=channels // scale))
