"""Randomness as a function of what it is for and where in a training, so that there is no state of it to keep."""

import hashlib

import numpy as np

SEED_BITS = 63
"""Of the seeds of torch's generators, which are signed."""


def stream(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """Return the random generator of one purpose at one place of a training.

    The same values give the same numbers in any process and on any machine; another purpose, or a place with another or
    one more number, gives others that have nothing to do with them.

    Parameters
    ----------
    seed : int
    purpose : str
        What is drawn, such as ``"mixup"``.
    *place : int
        Where, such as epoch, step and worker.

    Examples
    --------
    >>> int(stream(0, "mixup", 3, 1).integers(1000)) == int(stream(0, "mixup", 3, 1).integers(1000))
    True
    """
    return np.random.Generator(np.random.PCG64(_number(seed, purpose, place)))


def stream_seed(seed: int, purpose: str, *place: int) -> int:
    """Return a seed for a generator of torch, told from others as by `stream`."""
    return _number(seed, purpose, place) % 2**SEED_BITS


def _number(seed: int, purpose: str, place: tuple[int, ...]) -> int:
    text = ":".join([str(seed), purpose, *map(str, place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
