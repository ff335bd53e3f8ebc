"""Embed utterances of one part of a store, whole or in windows."""

import contextlib
import itertools
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import torch

from avis.audio.codec import read_crop
from avis.audio.crop import windows
from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.scoring_settings import MAX_WINDOW_S
from avis.engine.trials.crops import Crops
from avis.engine.trials.read_ahead import ahead
from avis.engine.trials.wanted import read_wanted
from avis.engine.workers.on_this_node import cpus_per_gpu
from avis.schema import embeddings_schema
from avis.training.example_settings import ExampleSettings
from avis.training.examples import FrontEnd, features_of
from avis.training.faster_step import lay_out_images
from avis.verifier.side_by_side import side_by_side

SHARE_OF_GPU = 0.25
"""Of a worker: Python keeps one process from giving a GPU enough to do, whatever the number of its threads."""

FRAMES_ON_GPU = 30_000
"""Frames that a GPU embeds together: five minutes of speech. A CPU takes utterances one by one, which is no slower."""

NO_MEMORY = re.compile("(out of|allocate) memory")
"""Words that torch has for it, on GPUs and CPUs."""

VALUES_ON_GPU = 1 << 24
"""Values of features, 64 MB, that are held to be put together to such batches."""

PORTIONS_AHEAD = 2
"""Of so many values, which wait for the GPU."""


class View(NamedTuple):
    """A window of an utterance, of its crop, or of one of its augmented copies, to be embedded.

    Windows of one view, which have its ``utt_id`` and ``number``, follow each other. Its ``inputs`` are features, or
    what the device makes features of; of these there will be ``num_values``.
    """

    utt_id: str
    number: int
    inputs: Mapping[str, torch.Tensor]
    num_values: int


Embedded = tuple[tuple[str, int], np.ndarray]
"""The ``utt_id`` and ``number`` of a view, and its embedding."""


class Embedder:
    """Embed utterances of one part of a store; see `avis.engine.workers.parts.PartMaker`.

    On a GPU, a thread for every two CPUs that there are for it decodes what comes next, and computes its features
    unless the front end has weights, which belong on the GPU; one more has the model embed, while the caller's puts
    windows together.

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
        self.device, self.threads, self.frames_together, self.values_together = torch.device("cpu"), 0, 0, 0
        if use_gpu:
            cpus, share = cpus_per_gpu()
            self.device, self.threads = torch.device("cuda"), max(1, int(cpus / 2))
            self.frames_together, self.values_together = int(share * FRAMES_ON_GPU), int(share * VALUES_ON_GPU)
        self.model, self.front_end = opened.build_model().to(self.device).eval(), opened.build_front_end().eval()
        self.hears_on_device = use_gpu and any(True for _ in self.front_end.parameters())
        if self.hears_on_device:
            self.front_end.to(self.device)
        if use_gpu:
            lay_out_images(self.model)
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
        with contextlib.closing(self._embedded(self._views_of_part(uri, wanted))) as made:
            for (utt_id, _), of_windows in itertools.groupby(made, key=lambda pair: pair[0]):
                ids.append(utt_id)
                embeddings.append(np.mean([embedding for _, embedding in of_windows], axis=0))
        vectors = np.stack(embeddings)
        schema = embeddings_schema(vectors.shape[1])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"embeddings": pa.Table.from_arrays([pa.array(ids), column], schema=schema)}

    def _embedded(self, made: Iterator[Callable[[], View]]) -> Generator[Embedded, None, None]:
        """Embed views, which calls make."""
        if not self.threads:
            for some in portions((make() for make in made), self.values_together):
                yield from self._embed_portion(some)
            return
        with contextlib.closing(side_by_side(_called, made, threads=self.threads)) as views:
            some_ahead = ahead(portions(views, self.values_together), PORTIONS_AHEAD)
            with contextlib.closing(some_ahead):
                embedded = ahead((self._embed_portion(some) for some in some_ahead), 1)
                with contextlib.closing(embedded):
                    yield from itertools.chain.from_iterable(embedded)

    def _embed_portion(self, views: list[View]) -> list[Embedded]:
        features = [self._features(view) for view in views]
        longest = max(views, key=lambda view: view.num_values)
        with _naming(longest.utt_id):
            embeddings = self.embed(features)
        for view, embedding in zip(views, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise ValueError(
                    f"embedding without a value: got {np.count_nonzero(~np.isfinite(embedding))} of {embedding.size} "
                    f"values that are not finite, expected none. At {view.utt_id}. Train the model again, or leave the "
                    "utterance out of the list."
                )
        return [((view.utt_id, view.number), embedding) for view, embedding in zip(views, embeddings, strict=True)]

    @torch.inference_mode()
    def embed(self, features: list[torch.Tensor]) -> list[np.ndarray]:
        """Return the embedding of each of some utterances' features [frames, mels]; nothing waits until all are."""
        order: list[int] = []
        made: list[torch.Tensor] = []
        for batch in batches([len(each) for each in features], self.frames_together):
            order += batch
            made.append(self._embed_together([features[i] for i in batch]).float())
        embeddings = torch.cat(made).cpu().numpy()
        return list(embeddings[np.argsort(order)])

    def _embed_together(self, features: list[torch.Tensor]) -> torch.Tensor:
        lengths = [len(each) for each in features]
        together = self._on_device(torch.nn.utils.rnn.pad_sequence(features, batch_first=True))
        if len(set(lengths)) == 1:
            return self.model(together)
        return self.model(together, self._on_device(torch.tensor(lengths)))

    def _on_device(self, values: torch.Tensor) -> torch.Tensor:
        if values.device.type == self.device.type:
            return values
        return values.pin_memory().to(self.device, non_blocking=True)

    def _views_of_part(self, uri: str, wanted: set[str]) -> Iterator[Callable[[], View]]:
        for group in read_wanted(uri, wanted, ["utt_id", "audio", "num_samples"]):
            rows = group.drop_columns("audio").to_pylist()
            for row, audio in zip(rows, group["audio"], strict=True):
                if row["utt_id"] in wanted:
                    yield from self._views({**row, "audio": memoryview(audio.as_buffer())})

    def _views(self, row: dict[str, Any]) -> Iterator[Callable[[], View]]:
        num_samples = row["num_samples"]
        first, num = self.crops.span(row["utt_id"], num_samples) if self.crops else (0, num_samples)
        for start, length in windows(num, self.longest):
            yield partial(self._window, row, first + start, length)
        for copy in range(self.copies):
            yield partial(self._copy, row, copy)

    def _window(self, row: dict[str, Any], start: int, num: int) -> View:
        return self._view(row["utt_id"], 0, {"waveforms": read_crop(row["audio"], start=start, num=num)})

    def _copy(self, row: dict[str, Any], copy: int) -> View:
        example, _ = self.maker.example(row, pass_=copy, banks=self.banks)
        return self._view(row["utt_id"], 1 + copy, example)

    def _view(self, utt_id: str, number: int, arrays: Mapping[str, np.ndarray]) -> View:
        inputs = {key: torch.from_numpy(value) for key, value in arrays.items() if key != "seconds"}
        if not self.hears_on_device:
            with _naming(utt_id), torch.inference_mode():
                inputs = {"features": features_of(inputs, self.front_end)}
        if "features" in inputs:
            return View(utt_id, number, inputs, inputs["features"].numel())
        front_end = cast(FrontEnd, self.front_end)
        return View(utt_id, number, inputs, front_end.num_frames(len(inputs["waveforms"])) * front_end.dim)

    def _features(self, view: View) -> torch.Tensor:
        if "features" in view.inputs:
            return view.inputs["features"].float()
        with _naming(view.utt_id), torch.inference_mode():
            return features_of({key: self._on_device(value) for key, value in view.inputs.items()}, self.front_end)


def _called(make: Callable[[], View]) -> View:
    return make()


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


def portions(views: Iterable[View], limit: int) -> Generator[list[View], None, None]:
    """Put views together until they have ``limit`` values; each has one at least."""
    some: list[View] = []
    num_values = 0
    for view in views:
        some.append(view)
        num_values += view.num_values
        if num_values >= limit:
            yield some
            some, num_values = [], 0
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
