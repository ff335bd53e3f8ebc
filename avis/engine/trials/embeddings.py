"""Embed utterances on a pool of actors, each once."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.scoring_settings import MAX_WINDOW_S
from avis.engine.trials.crops import Crops
from avis.engine.trials.embedder import SHARE_OF_GPU, Embedder
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers


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
    max_window_s : float
        See `avis.engine.trials.embedder.Embedder`.
    """

    checkpoint: Checkpoint
    utterances: str
    run_dir: str
    compute: Compute
    max_window_s: float = MAX_WINDOW_S

    def windowed(self, index: pa.Table) -> list[float]:
        """Return what decides the embeddings of utterances that are cut into windows; nothing where none is.

        Parameters
        ----------
        index : pyarrow.Table
            Columns ``num_samples`` and ``sample_rate`` of the utterances.
        """
        longest_s = pc.max(pc.divide(index["num_samples"].cast(pa.float64()), index["sample_rate"])).as_py()
        return [self.max_window_s] if longest_s and longest_s > self.max_window_s else []

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
        copies : int
        banks : mapping of str to Bank, optional
        crops : Crops, optional
            See `avis.engine.trials.embedder.Embedder`.

        Returns
        -------
        pyarrow.Table
            The embeddings table, sorted by ``utt_id``.
        """
        ids = set(wanted.to_pylist())
        manifest = store.open_manifest(self.utterances)
        tasks = self.tasks(ids)
        cropped = [dataclasses.astuple(crops)] if crops else []
        identity = [self.checkpoint.digest, self.max_window_s, manifest["inputs"], sorted(ids), copies, *cropped]
        inputs = fingerprint(identity)
        folder = location.join(self.run_dir, "embeddings")
        uri = location.join(folder, inputs)
        if not store.finished(uri, inputs):
            shared = {} if copies or crops else tasks
            made_from = {part: self._made_from(part, task, manifest["files"]) for part, task in shared.items()}
            files = _embedded_already(folder, uri, made_from)
            todo = {part: task for part, task in tasks.items() if f"embeddings/{part}.parquet" not in files}
            self.compute.connect()
            num_gpus = SHARE_OF_GPU if self.compute.num_gpus() else 0
            make = functools.partial(
                Embedder,
                shared_by_workers(self.checkpoint, self.compute),
                copies=copies,
                banks=shared_by_workers(banks or {}, self.compute),
                use_gpu=num_gpus > 0,
                crops=crops,
                max_window_s=self.max_window_s,
            )
            run_parts(uri, todo, make, compute=self.compute, label=label, num_gpus=num_gpus)
            facts = {"checkpoint": self.checkpoint.uri, "utterances": self.utterances, "made_from": made_from}
            store.finish(uri, parts=todo, inputs=inputs, facts=facts, taken_over=files)
        return store.read_table(uri, "embeddings").sort_by("utt_id")

    def _made_from(self, part: str, task: pa.Table, files: Mapping[str, dict[str, Any]]) -> str:
        """Return what tells the embeddings of a part, wherever it lies."""
        made_by = [self.checkpoint.digest, self.max_window_s]
        return fingerprint([*made_by, files[f"utterances/{part}.parquet"]["sha256"], *task["utt_id"].to_pylist()])

    def tasks(self, wanted: set[str]) -> dict[str, pa.Table]:
        """Return the wanted rows (``uri``, ``utt_id``) of each part of the store that has any."""
        tasks, files = {}, store.open_manifest(self.utterances)["files"]
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
