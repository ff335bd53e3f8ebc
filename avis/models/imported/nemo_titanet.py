"""NeMo's TitaNet-S, -M and -L."""

from collections.abc import Mapping

from torch import Tensor

from avis.models.imported.ecapa_attention import JOINED, part_attention
from avis.models.imported.renaming import Imported, rename, take
from avis.models.titanet import KERNEL_SIZES, REPEAT, TitaNet

CONV_LAYERS = 5
"""Of NeMo's list for each convolution: by channel, across channels, normalisation, and after all but the last ReLU and
dropout."""
BLOCK_REPEATS = (1, *(REPEAT for _ in KERNEL_SIZES), 1)
RULES = [
    (r"decoder\._pooling\.attention_layer\.0\.conv_layer", JOINED),
    (r"decoder\._pooling\.attention_layer\.0\.bn", "pooling.norm"),
    (r"decoder\._pooling\.attention_layer\.2", "pooling.attention"),
    (r"decoder\.emb_layers\.0\.0", "pooling_norm"),
    (r"decoder\.emb_layers\.0\.1", "embedding"),
]
FRONT_END = "preprocessor.featurizer."
CLASSIFIER = (r"decoder\.final\.(weight|bias)", r"(eval_)?loss\.weight")
DROPOUT = 0.1
"""As in NeMo's configurations: no tensor says it, and no embedding depends on it."""


def nemo_titanet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the TitaNet of a NeMo checkpoint; its widths are read from its tensors.

    The classifier of training speakers is left out. Window and filters of the front end are kept, to be compared with
    those of the front end chosen.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of an ``EncDecSpeakerLabelModel``. Its convolutions' strides and dilations, which are not in the
        file, are taken to be 1 as in NeMo's configurations, and its gates to see the whole utterance.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model, such as SpeakerNet's or ECAPA's.

    References
    ----------
    nemo_toolkit 3.0.0, ``nemo/collections/asr``: ``modules/conv_asr.py`` (``ConvASREncoder``, ``SpeakerDecoder``),
    ``parts/submodules/jasper.py`` and ``tdnn_attention.py``.
    """
    renamed = rename(weights, _rules(), dropped=[*CLASSIFIER, rf"{FRONT_END}(window|fb)"])
    parted = part_attention(renamed)
    parted["embedding.weight"] = take(parted, "embedding.weight").squeeze(2)
    channels, num_mels, _ = take(parted, "blocks.0.convs.0.pointwise.weight").shape
    sizes = {
        "num_mels": num_mels,
        "channels": channels,
        "epilog_channels": take(parted, "pooling.attention.weight").shape[0],
        "dropout": DROPOUT,
        "embedding_dim": parted["embedding.weight"].shape[0],
    }
    front_end = {}
    if f"{FRONT_END}window" in weights:
        front_end["window"] = weights[f"{FRONT_END}window"]
    if f"{FRONT_END}fb" in weights:
        front_end["filters"] = weights[f"{FRONT_END}fb"].squeeze(0).T
    return Imported(TitaNet, sizes, parted, front_end)


def _rules() -> list[tuple[str, str]]:
    rules = list(RULES)
    for index, repeat in enumerate(BLOCK_REPEATS):
        block, new = rf"encoder\.encoder\.{index}", f"blocks.{index}"
        for conv in range(repeat):
            first = CONV_LAYERS * conv
            rules.append((rf"{block}\.mconv\.{first}\.conv", f"{new}.convs.{conv}.depthwise"))
            rules.append((rf"{block}\.mconv\.{first + 1}\.conv", f"{new}.convs.{conv}.pointwise"))
            rules.append((rf"{block}\.mconv\.{first + 2}", f"{new}.convs.{conv}.norm"))
        gates = CONV_LAYERS * repeat - 2
        rules.append((rf"{block}\.mconv\.{gates}\.fc\.0", f"{new}.gates.squeeze"))
        rules.append((rf"{block}\.mconv\.{gates}\.fc\.2", f"{new}.gates.excite"))
        rules.append((rf"{block}\.res\.0\.0\.conv", f"{new}.projection.0"))
        rules.append((rf"{block}\.res\.0\.1", f"{new}.projection.1"))
    return rules
