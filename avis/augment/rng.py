"""Derive the randomness of one example from what it is, never from who computes it or when."""

import hashlib

import numpy as np


def example_rng(seed: int, epoch: int, utt_id: str) -> np.random.Generator:
    """Return the random generator of one utterance in one epoch.

    The same three values give the same stream in any process, on any machine and in any order of the examples.

    Examples
    --------
    >>> int(example_rng(0, 3, "vox/id1/a").integers(1000)) == int(example_rng(0, 3, "vox/id1/a").integers(1000))
    True
    """
    digest = hashlib.blake2b(f"{seed}:{epoch}:{utt_id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
