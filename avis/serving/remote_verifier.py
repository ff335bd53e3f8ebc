"""A verifier whose network is that of other processes."""

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.serving.calls import call
from avis.verifier import Verifier
from avis.verifier.folder import Parts


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
        embedding: NDArray[np.float32] = asyncio.run(call(self._models.embedding, values, model=self.digest))
        return embedding
