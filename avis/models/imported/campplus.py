"""CAM++ as 3D-Speaker writes it, and WeSpeaker under the same names."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.campplus import BOTTLENECK, DENSE_BLOCKS, HEAD_STAGES, CamPlusPlus
from avis.models.imported.renaming import Imported, rename, take

MEL_STRIDE = 2 ** (HEAD_STAGES + 1)
RULES = [
    (r"head\.conv1", "head.first.conv"),
    (r"head\.bn1", "head.first.norm"),
    (r"head\.conv2", "head.last.conv"),
    (r"head\.bn2", "head.last.norm"),
    (r"xvector\.tdnn\.linear", "first.0"),
    (r"xvector\.tdnn\.nonlinear\.batchnorm", "first.1.0"),
    (r"xvector\.out_nonlinear\.batchnorm", "norm_relu.0"),
    (r"xvector\.dense\.linear", "embedding"),
    (r"xvector\.dense\.nonlinear\.batchnorm", "embedding_norm"),
]
RESIDUAL = {
    "conv1": "first.conv",
    "bn1": "first.norm",
    "conv2": "second.conv",
    "bn2": "second.norm",
    "shortcut.0": "shortcut.conv",
    "shortcut.1": "shortcut.norm",
}
DENSE = {
    "nonlinear1.batchnorm": "bottleneck.0.0",
    "linear1": "bottleneck.1",
    "nonlinear2.batchnorm": "bottleneck.2.0",
    "cam_layer.linear_local": "masking.conv",
    "cam_layer.linear1": "masking.squeeze",
    "cam_layer.linear2": "masking.excite",
}


def campplus(weights: Mapping[str, Tensor]) -> Imported:
    """Return the CAM++ of a 3D-Speaker or WeSpeaker checkpoint; its widths are read from its tensors.

    Both pool by means and deviations, and another pooling is refused. Deviations have a floor of 1e-4 in AVIS and
    WeSpeaker, but none in 3D-Speaker: a channel that is constant over the utterance differs by that.

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
    modelscope/3D-Speaker, ``speakerlab/models/campplus/DTDNN.py`` (read at 62ffeff); wenet-e2e/wespeaker,
    ``wespeaker/models/campplus.py`` (at 2e8b370).
    """
    rules = list(RULES)
    for stage in range(HEAD_STAGES):
        for old, own in RESIDUAL.items():
            rules.append((rf"head\.layer{stage + 1}\.(\d+)\.{_literal(old)}", rf"head.stages.{stage}.\1.{own}"))
    for block, (num_layers, _) in enumerate(DENSE_BLOCKS):
        transit = rf"xvector\.transit{block + 1}"
        rules.append((rf"{transit}\.nonlinear\.batchnorm", f"blocks.{block}.transition.0.0"))
        rules.append((rf"{transit}\.linear", f"blocks.{block}.transition.1"))
        for layer in range(num_layers):
            dense, new = rf"xvector\.block{block + 1}\.tdnnd{layer + 1}", f"blocks.{block}.layers.{layer}"
            rules += [(rf"{dense}\.{_literal(old)}", f"{new}.{own}") for old, own in DENSE.items()]
    renamed = rename(weights, rules, dropped=[r"projection\..*"])
    renamed["embedding.weight"] = take(renamed, "embedding.weight").squeeze(2)
    channels, flat, _ = take(renamed, "first.0.weight").shape
    head_channels = take(renamed, "head.first.conv.weight").shape[0]
    sizes = {
        "num_mels": flat // head_channels * MEL_STRIDE,
        "head_channels": head_channels,
        "channels": channels,
        "growth": take(renamed, "blocks.0.layers.0.bottleneck.1.weight").shape[0] // BOTTLENECK,
        "embedding_dim": renamed["embedding.weight"].shape[0],
    }
    return Imported(CamPlusPlus, sizes, renamed)


def _literal(name: str) -> str:
    return name.replace(".", r"\.")
