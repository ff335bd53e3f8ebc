"""The attention of ECAPA-TDNN's pooling, which other toolkits apply to the concatenation of frame and context."""

from torch import Tensor

from avis.models.imported.renaming import take

JOINED = "pooling.joined"
"""What the layer on the concatenation is renamed to, to be taken apart."""


def part_attention(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the attention's first layer apart into those on the frame and, if it sees them, on means and deviations.

    Parameters
    ----------
    weights : dict of str to Tensor
        With ``pooling.joined.weight``, ``[attention, (1 or 3) * channels, 1]``, and its bias.

    Raises
    ------
    ValueError
        If it has another number of channels.
    """
    joined, bias = take(weights, f"{JOINED}.weight"), take(weights, f"{JOINED}.bias")
    channels = take(weights, "pooling.attention.weight").shape[0]
    rest = {key: value for key, value in weights.items() if not key.startswith(f"{JOINED}.")}
    if joined.shape[1] == channels:
        return rest | {"pooling.frame.weight": joined, "pooling.frame.bias": bias}
    if joined.shape[1] != 3 * channels:
        raise ValueError(
            f"the attention sees frames, or frames, means and deviations: got {joined.shape[1]} channels of "
            f"{channels}, expected one or three times as many. At weights. Such a pooling is not known."
        )
    frame, context = joined[:, :channels], joined[:, channels:, 0]
    return rest | {"pooling.frame.weight": frame, "pooling.context.weight": context, "pooling.context.bias": bias}
