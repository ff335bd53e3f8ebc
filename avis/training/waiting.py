"""Say why a training waits for its data, and what to do about it."""

import numpy as np
from numpy.typing import NDArray

from avis.training.examples import STAGES

WORTH_SAYING = 0.1
"""Share of the time spent waiting from which on it is said."""
ALL_BUSY = 0.7
"""Share of the data workers' time spent on examples from which on they, not the way from them, are what is short."""
MORE_CPUS = "Add CPUs (and raise compute.data_cpus, if set)"
REMEDIES = {
    "decode": f"{MORE_CPUS}; where audio is decoded, set sharding.encoding=pcm16, which needs no decoding.",
    "augment": f"{MORE_CPUS}, lower the probabilities in augment.chain, or set augment.placement=device or "
    "features.placement=materialize.",
    "features": f"{MORE_CPUS}, or set features.placement=device or materialize.",
}
OWN_PROCESS = "Set compute=local or cluster, whose workers make them beside the training."
TRANSFER = "Lower trainer.groups_per_block; with features.placement=device, set stream, whose examples are smaller."


def shortage(waiting_share: float, seconds: NDArray[np.floating], elapsed_s: float, data_cpus: float) -> str | None:
    """Return one sentence on what was short and one on which setting to change; None if there was little waiting.

    Parameters
    ----------
    waiting_share : float
        Share of the time in which the trainer waited for a batch.
    seconds : float array
        What all examples of that time took in each of `avis.training.examples.STAGES`, in seconds ``[stages]``.
    elapsed_s : float
        The time.
    data_cpus : float
        CPUs that make examples beside the trainer; 0 if it makes them itself, while it waits.

    Examples
    --------
    >>> print(shortage(0.3, np.array([1.0, 2.0, 5.0]), 4.0, 2))
    waited for data 30% of the time; short: features (decode 12%, augment 25%, features 62% of the work; 2 data CPUs busy for 100%). Add CPUs (and raise compute.data_cpus, if set), or set features.placement=device or materialize.
    """  # noqa: E501
    if waiting_share < WORTH_SAYING:
        return None
    parts = ", ".join(f"{name} {part:.0%}" for name, part in zip(STAGES, seconds / seconds.sum(), strict=True))
    short = STAGES[int(seconds.argmax())]
    remedy, by_whom = OWN_PROCESS, "made by the trainer itself"
    if data_cpus:
        busy = float(seconds.sum()) / (elapsed_s * data_cpus)
        by_whom = f"{data_cpus:g} data CPUs busy for {min(busy, 1):.0%}"
        short, remedy = (short, REMEDIES[short]) if busy >= ALL_BUSY else ("transfer", TRANSFER)
    return f"waited for data {waiting_share:.0%} of the time; short: {short} ({parts} of the work; {by_whom}). {remedy}"
