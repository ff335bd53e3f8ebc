"""The replicas that work: those who decode, who embed, who explain, and the one who changes the gallery."""

import asyncio
import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import serve

from avis.audio.codec import to_float
from avis.audio.crop import windows
from avis.audio.recording import Hearing, Recording
from avis.engine.trials.embedder import FRAMES_ON_GPU, batches
from avis.explain import explain, sentences, trial_page
from avis.explain.text.sentences import Preset
from avis.serving.decoding import DecodingProcess
from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.settings import Limits
from avis.verifier import Enrolment, Gallery, Gates, Verifier
from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.side_by_side import side_by_side

Decoded = tuple[NDArray[np.float32], int]
"""Samples ``[samples]`` at the model's rate, and that."""

BATCH, BATCH_WAIT_S = 16, 0.002
"""Recordings that are embedded together at most, and how long the first waits for more."""


class _Replica:
    def is_ready(self) -> bool:
        """Give a sign of life."""
        return True


class Decoders(_Replica):
    """Decode recordings, each in a process that may die of it, and hear them."""

    def __init__(self, hearing: Hearing, limits: Limits) -> None:
        self._hearing, self._process = hearing, DecodingProcess(hearing, limits)

    def decoded(self, data: bytes) -> Decoded:
        """Return the samples of a file."""
        return self._process.samples(data), self._hearing.sample_rate

    def heard(self, data: bytes) -> Recording:
        """Return a file as the model hears it."""
        return self._hearing.take_samples(*self.decoded(data))

    def __del__(self) -> None:
        self._process.close()


class Models(_Replica):
    """Embed what was heard, several recordings at once.

    On CPUs each is embedded on a thread of its own, for which lengths need not be equal; on a GPU those of like length
    are padded and embedded together, which changes nothing (see `avis.models.masking`).
    """

    def __init__(self, path: str, *, threads: int, use_gpu: bool) -> None:
        torch.set_num_threads(threads)
        self._verifier = Verifier.load(path)
        if use_gpu:
            self._verifier.model.to("cuda"), self._verifier.front_end.to("cuda")
        self._use_gpu = use_gpu

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=BATCH_WAIT_S)
    async def embedding(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32]]:
        """Embed what was heard of recordings, int16 ``[samples]`` each: float32 ``[dim]`` each."""
        embedded = self._on_gpu if self._use_gpu else self._on_cpus
        return await asyncio.to_thread(embedded, values)

    def _on_cpus(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32]]:
        return list(side_by_side(self._verifier.embedding_of, values))

    def _on_gpu(self, values: list[NDArray[np.int16]]) -> list[NDArray[np.float32]]:
        return embed_padded(self._verifier, values, device="cuda", frames_together=FRAMES_ON_GPU)


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


class Explainers(_Replica):
    """Say why verdicts came out as they did."""

    def __init__(self, path: str) -> None:
        self._verifier = Verifier.load(path)

    def explain(
        self, enroll: list[Source | Voiceprint], test: Source, *, prior: float | None, checks: bool, page: Preset | None
    ) -> tuple[str, str]:
        """Return the outcome and the record as JSON, or where it is for somebody, the page."""
        explanation = explain(self._verifier, enroll, test, prior=prior, checks=checks)
        if page is None:
            return explanation.outcome, explanation.model_dump_json()
        given = {("enroll", number): each for number, each in enumerate(enroll)} | {("test", 0): test}
        places = [(each.side, each.recording) for each in explanation.sides if each.duration_s]
        audio = {place: self._verifier.audio(given[place]) for place in places}
        text = sentences(explanation, page)
        return explanation.outcome, trial_page(explanation, audio=audio, text=text, preset=page)


class GalleryWriter(_Replica):
    """Change the gallery, one change at a time; there is one such replica."""

    def __init__(self, path: str, gallery: str, models: Any) -> None:
        self._gallery = Gallery.open(gallery, RemoteVerifier.load_with(path, models))

    def enroll(
        self,
        speaker: str,
        recordings: list[Decoded],
        *,
        consent: str | None,
        keep_until: datetime.date | None,
        all_of_them: bool,
    ) -> Enrolment:
        """Enrol somebody; see `avis.verifier.Gallery.enroll`."""
        gates = None if all_of_them else Gates()
        return self._gallery.enroll(speaker, recordings, consent=consent, keep_until=keep_until, gates=gates)

    def rename(self, speaker: str, to: str) -> None:
        """Give somebody another name."""
        self._gallery.rename(speaker, to)

    def remove(self, speaker: str) -> int:
        """Remove somebody, and return how many recordings of them there were."""
        return self._gallery.remove(speaker)
