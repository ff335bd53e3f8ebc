"""A verifier whose network is that of other processes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.serving.calls import busy
from avis.verifier import Verifier
from avis.verifier.folder import Parts

WITHIN_S = 120.0
"""Of one embedding, the wait for others included."""


class RemoteVerifier(Verifier):
    """A verifier that hears and decides here, and embeds by the replicas of the model.

    It is for threads: each embedding is waited for.

    Parameters
    ----------
    parts : Parts
    path : str
        Where they lie.
    models
        Handle of `avis.serving.models.Models`.
    """

    def __init__(self, parts: Parts, *, path: str, models: Any) -> None:
        super().__init__(parts, path=path)
        del self.front_end, self.model
        self._models = models

    @classmethod
    def load_with(cls, path: str, models: Any) -> "RemoteVerifier":
        """Load one; see `avis.verifier.Verifier.load`."""
        loaded = Verifier.load(path)
        return cls(loaded.parts, path=loaded.path, models=models)

    def embedding_of(self, values: NDArray[np.int16]) -> NDArray[np.float32]:
        """Embed what was heard, int16 ``[samples]``: float32 ``[dim]``."""
        from ray.serve.exceptions import BackPressureError

        try:
            embedding: NDArray[np.float32] = self._models.embedding.remote(values).result(timeout_s=WITHIN_S)
        except BackPressureError as error:
            raise busy("replicas") from error
        return embedding
