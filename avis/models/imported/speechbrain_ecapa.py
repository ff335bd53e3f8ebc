"""SpeechBrain's ECAPA-TDNN, which 3D-Speaker has too."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from avis.models.ecapa_tdnn import BLOCK_DILATIONS, EcapaTdnn
from avis.models.imported.ecapa_attention import JOINED, part_attention
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.pooling import AttentiveStatisticsPooling

LAYERS = (("conv.conv", "conv"), ("norm.norm", "norm"))
RULES = [
    (r"mfa\.conv\.conv", "aggregation"),
    (r"mfa\.norm\.norm", "aggregation_norm"),
    (r"asp\.tdnn\.conv\.conv", JOINED),
    (r"asp\.tdnn\.norm\.norm", "pooling.norm"),
    (r"asp\.conv\.conv", "pooling.attention"),
    (r"asp_bn\.norm", "pooling_norm"),
    (r"fc\.conv", "embedding"),
]
VARIANCE_FLOOR = 1e-12
POINTWISE = ("gates.squeeze.weight", "gates.excite.weight", "embedding.weight")
"""Convolutions of one tap in SpeechBrain that are matrices in AVIS."""


def speechbrain_ecapa(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ECAPA-TDNN of a SpeechBrain or 3D-Speaker checkpoint; its widths are read from its tensors.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of ``embedding_model.ckpt``. Its dilations (2, 3, 4) are the published ones and are not in the file.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model, as where layers differ in width or the attention does not
        see the utterance.

    References
    ----------
    SpeechBrain 1.1.2, ``speechbrain/lobes/models/ECAPA_TDNN.py``; modelscope/3D-Speaker,
    ``speakerlab/models/ecapa_tdnn/ECAPA_TDNN.py`` (read at 158c595).
    """
    rules = [*RULES, *((rf"blocks\.0\.{old}", f"first.{own}") for old, own in LAYERS)]
    for index in range(len(BLOCK_DILATIONS)):
        block, new = rf"blocks\.{index + 1}", f"blocks.{index}"
        for old, own in LAYERS:
            rules += [(rf"{block}\.tdnn{part}\.{old}", f"{new}.convs.{(part - 1) * 2}.{own}") for part in (1, 2)]
            rules.append((rf"{block}\.res2net_block\.blocks\.(\d+)\.{old}", rf"{new}.convs.1.groups.\1.{own}"))
        rules.append((rf"{block}\.se_block\.conv1\.conv", f"{new}.gates.squeeze"))
        rules.append((rf"{block}\.se_block\.conv2\.conv", f"{new}.gates.excite"))
    renamed = rename(weights, rules)
    parted = {key: _matrix(key, value) for key, value in part_attention(renamed).items()}
    if "pooling.context.weight" not in parted:
        raise ValueError(
            "the attention must see the utterance: got an attention on frames alone, expected one on means and "
            "deviations too. At weights, asp.tdnn. Models with global_context=False are not known."
        )
    channels, num_mels, _ = take(parted, "first.conv.weight").shape
    attention_channels = take(parted, "pooling.frame.weight").shape[0]
    sizes = {
        "num_mels": num_mels,
        "channels": channels,
        "embedding_dim": take(parted, "embedding.weight").shape[0],
        "mfa_channels": take(parted, "aggregation.weight").shape[0],
        "se_channels": take(parted, "blocks.0.gates.squeeze.weight").shape[0],
        "scale": count(parted, r"blocks\.0\.convs\.1\.groups\.(\d+)\..*") + 1,
        "stride": 1,
        "pooling": partial(AttentiveStatisticsPooling, attention_channels=attention_channels, floor=VARIANCE_FLOOR),
        "reading": "speechbrain",
    }
    return Imported(EcapaTdnn, sizes, parted)


def _matrix(key: str, value: Tensor) -> Tensor:
    return value.squeeze(2) if key.endswith(POINTWISE) else value
