"""Embed utterances on a pool of actors, each once."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from avis import location, store
from avis.audio.codec import read_all, read_crop
from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.trials.crops import Crops
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.schema import embeddings_schema
from avis.training.example_settings import ExampleSettings
from avis.training.examples import features_of

FRAMES_ON_GPU = 30_000
"""Frames that are embedded together: five minutes of speech. A CPU takes utterances one by one, which is no slower."""


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
    """

    def __init__(
        self,
        checkpoint: Callable[[], Checkpoint],
        *,
        copies: int,
        banks: Callable[[], Mapping[str, Bank]],
        use_gpu: bool,
        crops: Crops | None = None,
    ) -> None:
        opened = checkpoint()
        self.device = torch.device("cuda" if use_gpu else "cpu")
        self.model = opened.build_model().to(self.device).eval()
        self.front_end = opened.build_front_end().to(self.device).eval()
        self.frames_together = FRAMES_ON_GPU if use_gpu else 0
        self.maker = ExampleSettings.of(opened.recipe).build_maker(training=False)
        self.copies, self.banks, self.crops = copies, banks(), crops

    @torch.inference_mode()
    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the embeddings of the rows of ``task`` (``uri``, ``utt_id``), all of one part."""
        uri, wanted = task["uri"][0].as_py(), set(task["utt_id"].to_pylist())
        ids: list[str] = []
        embeddings: list[np.ndarray] = []
        part = store.open_part(uri)
        for index in range(part.num_row_groups):
            rows = store.read_row_group(part, uri, index, ["utt_id", "audio", "num_samples"]).to_pylist()
            views = [(row["utt_id"], view) for row in rows if row["utt_id"] in wanted for view in self._views(row)]
            ids += [name for name, _ in views]
            embeddings += self.embed([features for _, features in views])
        vectors = np.stack(embeddings)
        schema = embeddings_schema(vectors.shape[1])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"embeddings": pa.Table.from_arrays([pa.array(ids), column], schema=schema)}

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

    def _views(self, row: dict[str, Any]) -> list[torch.Tensor]:
        if self.crops is None:
            waveform = read_all(row["audio"])
        else:
            start, num = self.crops.span(row["utt_id"], row["num_samples"])
            waveform = read_crop(row["audio"], start=start, num=num)
        views = [{"waveforms": waveform}]
        views += [self.maker.example(row, pass_=copy, banks=self.banks)[0] for copy in range(self.copies)]
        on_device = [{key: torch.from_numpy(value).to(self.device) for key, value in view.items()} for view in views]
        return [features_of(inputs, self.front_end) for inputs in on_device]


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


@dataclass(frozen=True)
class StoreEmbedder:
    """Embeds utterances of one store by one checkpoint.

    Attributes
    ----------
    checkpoint : Checkpoint
    utterances : str
        URI of the store.
    run_dir : str
        Folder below which embeddings are written.
    compute : Compute
    """

    checkpoint: Checkpoint
    utterances: str
    run_dir: str
    compute: Compute

    def embed(
        self,
        wanted: pa.Array,
        *,
        label: str,
        copies: int = 0,
        banks: Mapping[str, Bank] | None = None,
        crops: Crops | None = None,
    ) -> pa.Table:
        """Embed some utterances, each once, or take the embeddings that are already there.

        What was embedded of a part for another store that holds it, as the one that ``utterances`` extends, is taken
        over; not so with ``copies``, which the other utterances of a store have a say in, nor with ``crops``.

        Parameters
        ----------
        wanted : pyarrow.Array
            Ids of the utterances.
        label : str
            What the progress bar says.
        copies, banks, crops
            See `Embedder`.

        Returns
        -------
        pyarrow.Table
            The embeddings table, sorted by ``utt_id``.
        """
        ids = set(wanted.to_pylist())
        manifest = store.open_manifest(self.utterances)
        tasks = self._tasks(ids, manifest["files"])
        cropped = [dataclasses.astuple(crops)] if crops else []
        identity = [self.checkpoint.digest, manifest["inputs"], sorted(ids), copies, *cropped]
        inputs = fingerprint(identity)
        folder = location.join(self.run_dir, "embeddings")
        uri = location.join(folder, inputs)
        if not store.finished(uri, inputs):
            shared = {} if copies or crops else tasks
            made_from = {part: self._made_from(part, task, manifest["files"]) for part, task in shared.items()}
            files = _embedded_already(folder, uri, made_from)
            todo = {part: task for part, task in tasks.items() if f"embeddings/{part}.parquet" not in files}
            self.compute.connect()
            num_gpus = 1 if self.compute.num_gpus() else 0
            make = functools.partial(
                Embedder,
                shared_by_workers(self.checkpoint, self.compute),
                copies=copies,
                banks=shared_by_workers(banks or {}, self.compute),
                use_gpu=num_gpus > 0,
                crops=crops,
            )
            run_parts(uri, todo, make, compute=self.compute, label=label, num_gpus=num_gpus)
            facts = {"checkpoint": self.checkpoint.uri, "utterances": self.utterances, "made_from": made_from}
            store.finish(uri, parts=todo, inputs=inputs, facts=facts, taken_over=files)
        return store.read_table(uri, "embeddings").sort_by("utt_id")

    def _made_from(self, part: str, task: pa.Table, files: Mapping[str, dict[str, Any]]) -> str:
        """Return what tells the embeddings of a part, wherever it lies."""
        return fingerprint(
            [self.checkpoint.digest, files[f"utterances/{part}.parquet"]["sha256"], *task["utt_id"].to_pylist()]
        )

    def _tasks(self, wanted: set[str], files: Mapping[str, dict[str, Any]]) -> dict[str, pa.Table]:
        """Return the wanted rows of each part of the store that has any."""
        tasks = {}
        for file in sorted(file for file in files if file.startswith("utterances/")):
            uri = store.file_uri(self.utterances, file, files[file])
            ids = [name for name in store.open_part(uri).read(["utt_id"])["utt_id"].to_pylist() if name in wanted]
            if ids:
                tasks[location.stem(uri)] = pa.table({"uri": [uri] * len(ids), "utt_id": ids})
        return tasks


def _embedded_already(folder: str, uri: str, made_from: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the files that finished stores of a folder made from the same, as the store at ``uri`` has them."""
    reused: dict[str, dict[str, Any]] = {}
    for name in location.names_in(folder):
        other = location.join(folder, name)
        with contextlib.suppress(ValueError):  # unfinished or damaged: nothing to take over
            manifest = store.open_manifest(other)
            same = {part for part, source in manifest.get("made_from", {}).items() if made_from.get(part) == source}
            files = {file: info for file, info in manifest["files"].items() if store.part_of(file) in same}
            reused |= store.take_over(other, uri, files)
    return reused
