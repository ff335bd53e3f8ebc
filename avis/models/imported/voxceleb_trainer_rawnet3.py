"""RawNet3 of clovaai/voxceleb_trainer and Jungjee/RawNet."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.channel_groups import last_group_first
from avis.models.imported.ecapa_attention import JOINED, part_attention
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.imported.voxceleb_trainer_resnet_se import PREFIX
from avis.models.rawnet3 import POOLS, RawNet3

SAMPLE_RATE = 16000
RULES = [
    (r"preprocess\.1", "norm"),
    (r"conv1\.filterbank", "filters"),
    (r"layer4", "aggregation"),
    (r"attention\.0", JOINED),
    (r"attention\.2", "pooling.norm"),
    (r"attention\.3", "pooling.attention"),
    (r"bn5", "pooling_norm"),
    (r"fc6", "embedding"),
]
BLOCK = {
    "conv1": "convs.0.conv",
    "bn1": "convs.0.norm",
    r"convs\.(\d+)": r"convs.1.groups.\1.conv",
    r"bns\.(\d+)": r"convs.1.groups.\1.norm",
    "conv3": "convs.2.conv",
    "bn3": "convs.2.norm",
    r"residual\.0": "shortcut",
    "afms": "scaling",
    r"afms\.fc": "scaling.gates",
}
DROPPED = (r"__L__\..*", r"preprocess\.0\.flipped_filter", r"conv1\.filterbank\.(?:window_|n_)", r"bn[16]\..*")
"""The loss, constants, and two normalisations that the published model has, but does not use."""
PARAMETERS = {"norm.weight": "scale", "norm.bias": "offset", "filters.low_hz_": "low_hz", "filters.band_hz_": "band_hz"}


def voxceleb_trainer_rawnet3(weights: Mapping[str, Tensor]) -> Imported:
    """Return the RawNet3 of a voxceleb_trainer checkpoint, or the published one; its widths are read from its tensors.

    Embeddings are equal up to what single precision leaves of logarithms of filters' outputs around zero. What is not
    in the file is as published: filters every 10 samples at 16 kHz, logarithms without their mean, summed inputs, no
    normalisation of the embedding.

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
    clovaai/voxceleb_trainer, ``models/RawNet3.py`` (read at f1a2da1); Jungjee/RawNet, ``python/RawNet3`` (at ac87f9f).
    """
    rules = list(RULES)
    for block in range(len(POOLS)):
        rules += [(rf"layer{block + 1}\.{old}", f"blocks.{block}.{own}") for old, own in BLOCK.items()]
    bare = {key.removeprefix(PREFIX): value for key, value in weights.items()}
    renamed = part_attention(rename(bare, rules, dropped=DROPPED))
    for key, own in PARAMETERS.items():
        layer = key.partition(".")[0]
        renamed[f"{layer}.{own}"] = take(renamed, key).flatten()
        del renamed[key]
    mfa_channels, concatenated, _ = take(renamed, "aggregation.weight").shape
    channels, scale = concatenated // len(POOLS), count(renamed, r"blocks\.0\.convs\.1\.groups\.(\d+)\..*") + 1
    sizes = {
        "sample_rate": SAMPLE_RATE,
        "channels": channels,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
        "mfa_channels": mfa_channels,
        "attention_channels": take(renamed, "pooling.frame.weight").shape[0],
        "scale": scale,
    }
    return Imported(RawNet3, sizes, last_group_first(renamed, width=channels // scale))
