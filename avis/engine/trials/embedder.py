"""Embed utterances of one part of a store, whole or in windows."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from avis.audio.codec import read_crop
from avis.audio.crop import windows
from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.scoring_settings import MAX_WINDOW_S
from avis.engine.trials.crops import Crops
from avis.engine.trials.wanted import read_wanted
from avis.schema import embeddings_schema
from avis.training.example_settings import ExampleSettings
from avis.training.examples import features_of

FRAMES_ON_GPU = 30_000
"""Frames that are embedded together: five minutes of speech. A CPU takes utterances one by one, which is no slower."""

NO_MEMORY = re.compile("(out of|allocate) memory")
"""Words that torch has for it, on GPUs and CPUs."""

VALUES_ON_GPU = 1 << 24
"""Values of features, 64 MB, that are held to be put together to such batches."""


class View(NamedTuple):
    """A window of an utterance, of its crop, or of one of its augmented copies, to be embedded.

    Windows of one view, which have its ``utt_id`` and ``number``, follow each other.
    """

    utt_id: str
    number: int
    features: torch.Tensor


class Embedder:
    """Embed utterances of one part of a store; see `avis.engine.workers.parts.PartMaker`.

    Parameters
    ----------
    checkpoint : callable
        Returns the checkpoint.
    copies : int
        Besides the whole utterance as it is, embed this many augmented crops of it (for fitting back-ends).
    banks : callable
        Returns the noise and rooms for them.
    use_gpu : bool
    crops : Crops or None
        Embed these in place of whole utterances.
    max_window_s : float
        What is longer is cut into windows (see `avis.audio.crop.windows`), each of which is embedded as a recording
        of its own, its features normalised over itself. The embedding is the windows' mean, as that of an enrolment
        model is its utterances': raw, so that back-ends centre and scale it as any other.
    """

    def __init__(
        self,
        checkpoint: Callable[[], Checkpoint],
        *,
        copies: int,
        banks: Callable[[], Mapping[str, Bank]],
        use_gpu: bool,
        crops: Crops | None = None,
        max_window_s: float = MAX_WINDOW_S,
    ) -> None:
        opened = checkpoint()
        self.device = torch.device("cuda" if use_gpu else "cpu")
        self.model = opened.build_model().to(self.device).eval()
        self.front_end = opened.build_front_end().to(self.device).eval()
        self.frames_together, self.values_together = (FRAMES_ON_GPU, VALUES_ON_GPU) if use_gpu else (0, 0)
        self.maker = ExampleSettings.of(opened.recipe).build_maker(training=False)
        self.copies, self.banks, self.crops = copies, banks(), crops
        self.longest = round(max_window_s * opened.sample_rate)

    @torch.inference_mode()
    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the embeddings of the rows of ``task`` (``uri``, ``utt_id``), all of one part.

        Raises
        ------
        ValueError
            If an utterance cannot be embedded.
        """
        uri, wanted = task["uri"][0].as_py(), set(task["utt_id"].to_pylist())
        ids: list[str] = []
        embeddings: list[np.ndarray] = []
        for group in read_wanted(uri, wanted, ["utt_id", "audio", "num_samples"]):
            rows = group.drop_columns("audio").to_pylist()
            views = (
                view
                for row, audio in zip(rows, group["audio"], strict=True)
                if row["utt_id"] in wanted
                for view in self._views({**row, "audio": memoryview(audio.as_buffer())})
            )
            made = (pair for some in portions(views, self.values_together) for pair in self._embedded(some))
            for (utt_id, _), of_windows in itertools.groupby(made, key=lambda pair: pair[0]):
                ids.append(utt_id)
                embeddings.append(np.mean([embedding for _, embedding in of_windows], axis=0))
        vectors = np.stack(embeddings)
        schema = embeddings_schema(vectors.shape[1])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"embeddings": pa.Table.from_arrays([pa.array(ids), column], schema=schema)}

    def _embedded(self, views: list[View]) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        longest = max(views, key=lambda view: len(view.features))
        with _naming(longest.utt_id):
            embeddings = self.embed([view.features for view in views])
        for view, embedding in zip(views, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise ValueError(
                    f"embedding without a value: got {np.count_nonzero(~np.isfinite(embedding))} of {embedding.size} "
                    f"values that are not finite, expected none. At {view.utt_id}. Train the model again, or leave the "
                    "utterance out of the list."
                )
            yield (view.utt_id, view.number), embedding

    @torch.inference_mode()
    def embed(self, features: list[torch.Tensor]) -> list[np.ndarray]:
        """Return the embedding of each of some utterances' features [frames, mels]."""
        embeddings: list[np.ndarray] = [np.empty(0)] * len(features)
        for batch in batches([len(each) for each in features], self.frames_together):
            num_frames = torch.tensor([len(features[i]) for i in batch], device=self.device)
            together = torch.nn.utils.rnn.pad_sequence([features[i] for i in batch], batch_first=True)
            made = self.model(together, num_frames) if len(batch) > 1 else self.model(together)
            for i, embedding in zip(batch, made.float().cpu().numpy(), strict=True):
                embeddings[i] = embedding
        return embeddings

    def _views(self, row: dict[str, Any]) -> Iterator[View]:
        utt_id, num_samples = row["utt_id"], row["num_samples"]
        first, num = self.crops.span(utt_id, num_samples) if self.crops else (0, num_samples)
        for start, length in windows(num, self.longest):
            waveform = read_crop(row["audio"], start=first + start, num=length)
            yield View(utt_id, 0, self._features(utt_id, {"waveforms": waveform}))
        for copy in range(self.copies):
            example, _ = self.maker.example(row, pass_=copy, banks=self.banks)
            yield View(utt_id, 1 + copy, self._features(utt_id, example))

    def _features(self, utt_id: str, inputs: Mapping[str, np.ndarray]) -> torch.Tensor:
        with _naming(utt_id):
            on_device = {key: torch.from_numpy(value).to(self.device) for key, value in inputs.items()}
            return features_of(on_device, self.front_end)


@contextlib.contextmanager
def _naming(utt_id: str) -> Iterator[None]:
    """Name the utterance whose features or embedding could not be made."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and NO_MEMORY.search(str(error)) is None:
            raise
        found = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"out of memory: got {found}, expected room for a window of the recording. At {utt_id}. "
            "Lower max_window_s, or take a larger machine."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"utterance cannot be embedded: got {error}, expected features and an embedding. At {utt_id}. "
            "Leave it out of the list."
        ) from error


def portions(views: Iterable[View], limit: int) -> Iterator[list[View]]:
    """Put views together until they have ``limit`` values; each has one at least."""
    some: list[View] = []
    for view in views:
        some.append(view)
        if sum(each.features.numel() for each in some) >= limit:
            yield some
            some = []
    if some:
        yield some


def batches(lengths: list[int], limit: int) -> Iterator[list[int]]:
    """Group utterances of like length so that a batch, padded to its longest, has at most ``limit`` frames.

    An utterance longer than that is a batch of its own.

    Examples
    --------
    >>> list(batches([3, 9, 2, 4], 8))
    [[2, 0], [3], [1]]
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > limit:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
