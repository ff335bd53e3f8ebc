"""What all replicas have."""

import numpy as np
from numpy.typing import NDArray

Decoded = tuple[NDArray[np.float32], int]
"""Samples ``[samples]`` at the model's rate, and that."""


class Replica:
    """A process that works for the ingress."""

    def is_ready(self) -> bool:
        """Give a sign of life."""
        return True
