"""The replicas that embed."""

import asyncio
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from ray import serve

from avis.audio.codec import to_float
from avis.audio.crop import windows
from avis.engine.trials.embedder import FRAMES_ON_GPU, batches
from avis.serving.replica import another_model, telling
from avis.training.faster_step import lay_out_images
from avis.verifier.embedder import checked_embedding
from avis.verifier.side_by_side import side_by_side
from avis.verifier.verifier import Verifier

BATCH, BATCH_WAIT_S = 16, 0.002
"""Recordings that are embedded together at most, and how long the first waits for more."""


class Models:
    """Embed what was heard, several recordings at once.

    On CPUs each is embedded on a thread of its own, for which lengths need not be equal; on a GPU those of like length
    are padded and embedded together, which changes nothing (see `avis.models.masking`).
    """

    def __init__(self, path: str, *, threads: int, use_gpu: bool) -> None:
        torch.set_num_threads(threads)
        self._verifier = Verifier.load(path)
        if use_gpu:
            self._verifier.model.to("cuda"), self._verifier.front_end.to("cuda")
            lay_out_images(self._verifier.model)
        self._use_gpu = use_gpu

    async def embedding(self, values: NDArray[np.int16], *, model: str) -> NDArray[np.float32] | Exception:
        """Embed what was heard of a recording, int16 ``[samples]``: float32 ``[dim]``."""
        return another_model(self._verifier.digest, model) or await self._together(values)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=BATCH_WAIT_S)
    async def _together(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32] | Exception]:
        return await asyncio.to_thread(self._on_gpu if self._use_gpu else self._on_cpus, values)

    def _on_cpus(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32] | Exception]:
        return list(side_by_side(telling(self._verifier.embedding_of), values))

    def _on_gpu(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32] | Exception]:
        made = embed_padded(self._verifier, values, device="cuda", frames_together=FRAMES_ON_GPU)
        return list(map(telling(checked_embedding), made))


@torch.inference_mode()
def embed_padded(
    verifier: Verifier, values: Sequence[NDArray[np.int16]], *, device: str, frames_together: int
) -> list[NDArray[np.float32]]:
    """Embed recordings as `Verifier.embedding_of` does, those of like length together.

    Parameters
    ----------
    verifier : Verifier
        With its model and front end on the device.
    values : sequence of int16 [samples]
    device : str
    frames_together : int
        Frames of a batch at most.
    """
    spans = [(each, start, num) for each, of in enumerate(values) for start, num in windows(len(of), verifier.longest)]
    features = [
        verifier.front_end(torch.from_numpy(to_float(values[each][start : start + num])).to(device))
        for each, start, num in spans
    ]
    made: list[list[NDArray[np.float32]]] = [[] for _ in values]
    for batch in batches([len(each) for each in features], frames_together):
        num_frames = torch.tensor([len(features[i]) for i in batch], device=device)
        together = torch.nn.utils.rnn.pad_sequence([features[i] for i in batch], batch_first=True)
        embeddings = verifier.model(together, num_frames) if len(batch) > 1 else verifier.model(together)
        for i, embedding in zip(batch, embeddings.float().cpu().numpy(), strict=True):
            made[spans[i][0]].append(embedding)
    return [np.mean(of_windows, axis=0) for of_windows in made]
