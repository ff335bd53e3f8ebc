"""ERes2Net and ERes2NetV2 of 3D-Speaker, of which WeSpeaker has the first."""

import re
from collections.abc import Mapping

from torch import Tensor

from avis.models.eres2net import ERes2Net
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.res2net import FULL_WIDTH, Res2Bottleneck
from avis.models.residual import STRIDES

STRIDE = 2 ** (len(STRIDES) - 1)
RULES = [(r"conv1", "trunk.first.conv"), (r"bn1", "trunk.first.norm"), (r"seg_1", "embedding")]
BLOCK = {
    r"conv1": "before.conv",
    r"bn1": "before.norm",
    r"conv3": "after.conv",
    r"bn3": "after.norm",
    r"shortcut\.0": "shortcut.conv",
    r"shortcut\.1": "shortcut.norm",
}
GROUPS = {
    r"convs\.(\d+)": r"groups.\2.conv",
    r"bns\.(\d+)": r"groups.\2.norm",
    r"fuse_models\.(\d+)\.local_att\.(\d)": r"fusions.\2.attention.\3",
}
FIRST_GROUP = {"conv2_1": "convs", "bn2_1": "bns"}
"""What WeSpeaker calls the first of a fused block's groups; it numbers the others from zero."""
FUSED = {
    4: ({"layer1_downsample": 0, "layer2_downsample": 1, "layer3_downsample": 2}, ("12", "123", "1234"), "fuse_mode"),
    2: ({"layer3_ds": 0}, ("34",), "fuse"),
}
"""By the number of fused stages: names of what halves a stage's output, endings of what fuses them, and its name."""


def eres2net(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ERes2Net or ERes2NetV2 of a 3D-Speaker or WeSpeaker checkpoint; its widths are read from its tensors.

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
    modelscope/3D-Speaker, ``speakerlab/models/eres2net``: ``ERes2Net.py`` (read at a96162a), ``ERes2NetV2.py`` (at
    bc51f41); wenet-e2e/wespeaker, ``wespeaker/models/eres2net.py`` (at 189ee44).
    """
    weights = _numbered(weights)
    num_fused_stages = 2 if "layer3_ds.weight" in weights else len(STRIDES)
    halvings, endings, fuse = FUSED[num_fused_stages]
    rules = [*RULES, *((name, f"halvings.{index}") for name, index in halvings.items())]
    rules += [(rf"{fuse}{end}\.local_att\.(\d)", rf"fusions.{index}.attention.\1") for index, end in enumerate(endings)]
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
        "scale": count(renamed, r"trunk\.stages\.0\.0\.groups\.(\d+)\..*"),
        "num_fused_stages": num_fused_stages,
        "embedding_dim": embedding_dim,
    }
    return Imported(ERes2Net, sizes, renamed)


def _numbered(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the groups of WeSpeaker's fused blocks the numbers that 3D-Speaker gives them."""
    first = "|".join(FIRST_GROUP)
    fused = {match[1] for key in weights if (match := re.fullmatch(rf"(layer\d\.\d+)\.(?:{first})\..*", key))}

    def number(match: re.Match[str]) -> str:
        block, name, index, rest = match.groups()
        if block not in fused:
            return match[0]
        return f"{block}.{FIRST_GROUP[name]}.0.{rest}" if index is None else f"{block}.{name}.{int(index) + 1}.{rest}"

    pattern = re.compile(rf"(layer\d\.\d+)\.({first}|convs|bns)(?:\.(\d+))?\.(\w+)")
    return {pattern.sub(number, key): value for key, value in weights.items()}
