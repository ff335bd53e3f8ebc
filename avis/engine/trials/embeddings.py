"""Embed utterances on a pool of actors, each once."""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from hydra.utils import instantiate

from avis import location, store
from avis.audio.codec import read_all, read_crop
from avis.augment.bank import Bank
from avis.checkpoints.run_checkpoints import read_checkpoint
from avis.digest import fingerprint
from avis.engine.examples.stream import example_maker
from avis.engine.fitted.crops import Crops
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts
from avis.schema import embeddings_schema
from avis.training.module import features_of

FRAMES_ON_GPU = 30_000
"""Frames that are embedded together: five minutes of speech. A CPU takes utterances one by one, which is no slower."""


class Embedder:
    """Embed utterances of one part of a store; see `avis.engine.workers.parts.PartMaker`.

    Parameters
    ----------
    checkpoint : str
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
        checkpoint: str,
        *,
        copies: int,
        banks: Callable[[], Mapping[str, Bank]],
        use_gpu: bool,
        crops: Crops | None = None,
    ) -> None:
        loaded = read_checkpoint(checkpoint)
        recipe = loaded["recipe"]
        self.device = torch.device("cuda" if use_gpu else "cpu")
        self.model = load_model(loaded, checkpoint).to(self.device).eval()
        self.front_end = load_front_end(loaded, checkpoint).to(self.device).eval()
        self.frames_together = FRAMES_ON_GPU if use_gpu else 0
        self.maker, self.copies, self.banks = example_maker(recipe, training=False), copies, banks()
        self.crops = crops

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


def load_model(checkpoint: Mapping[str, Any], path: str) -> torch.nn.Module:
    """Build the model of a checkpoint and load its weights.

    Raises
    ------
    ValueError
        If the weights do not fit the model that the checkpoint's recipe names.
    """
    return _with_weights(instantiate(checkpoint["recipe"]["model"]), _weights(checkpoint, "model."), path)


def load_front_end(checkpoint: Mapping[str, Any], path: str) -> torch.nn.Module:
    """Build the front end of a checkpoint, and load its weights if it was trained with the model.

    Raises
    ------
    ValueError
        See `load_model`.
    """
    front_end: torch.nn.Module = instantiate(checkpoint["recipe"]["features"]["front_end"])
    weights = _weights(checkpoint, "front_end.")
    return _with_weights(front_end, weights, path) if weights else front_end


def _weights(checkpoint: Mapping[str, Any], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}


def _with_weights(module: torch.nn.Module, weights: dict[str, torch.Tensor], path: str) -> torch.nn.Module:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"checkpoint of another architecture: got {str(error).splitlines()[1].strip()!r}, expected the weights of "
            f"{type(module).__name__}. At {path}. Give the checkpoint of this model."
        ) from error
    return module


def embed(
    checkpoint: str,
    utterances: str,
    wanted: pa.Array,
    *,
    run_dir: str,
    compute: Compute,
    label: str,
    copies: int = 0,
    banks: Callable[[], Mapping[str, Bank]] = dict,
    crops: Crops | None = None,
) -> pa.Table:
    """Embed some utterances of a store, each once, or take the embeddings that are already there.

    What was embedded of a part for another store that holds it, as the one that ``utterances`` extends, is taken over;
    not so with ``copies``, which the other utterances of a store have a say in, nor with ``crops``.

    Returns
    -------
    pyarrow.Table
        The embeddings table, sorted by ``utt_id``.
    """
    wanted_ids = set(wanted.to_pylist())
    tasks = {}
    for uri in store.part_uris(utterances, "utterances"):
        ids = [name for name in store.open_part(uri).read(["utt_id"])["utt_id"].to_pylist() if name in wanted_ids]
        if ids:
            part = location.stem(uri)
            tasks[part] = pa.table({"uri": [uri] * len(ids), "utt_id": ids})
    digest = checkpoint_digest(checkpoint)
    cropped = [dataclasses.astuple(crops)] if crops else []
    inputs = fingerprint([digest, utterances, sorted(wanted_ids), copies, *cropped])
    folder = location.join(run_dir, "embeddings")
    uri = location.join(folder, inputs)
    if not store.finished(uri, inputs):
        shared = {} if copies or crops else tasks
        made_from = {part: fingerprint([digest, task.to_pydict()]) for part, task in shared.items()}
        kept = _embedded_already(folder, uri, made_from)
        todo = {part: task for part, task in tasks.items() if f"embeddings/{part}.parquet" not in kept}
        compute.connect()
        num_gpus = 1 if compute.num_gpus() else 0
        make = functools.partial(Embedder, checkpoint, copies=copies, banks=banks, use_gpu=num_gpus > 0, crops=crops)
        run_parts(uri, todo, make, compute=compute, label=label, num_gpus=num_gpus)
        facts = {"checkpoint": checkpoint, "utterances": utterances, "made_from": made_from}
        store.finish(uri, parts=todo, inputs=inputs, facts=facts, kept=kept)
    return store.read_table(uri, "embeddings").sort_by("utt_id")


def _embedded_already(folder: str, uri: str, made_from: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the files that finished stores of a folder made from the same, as the store at ``uri`` has them."""
    kept: dict[str, dict[str, Any]] = {}
    for name in location.names_in(folder):
        other = location.join(folder, name)
        with contextlib.suppress(ValueError):  # unfinished or damaged: nothing to take over
            manifest = store.open_manifest(other)
            same = {part for part, told in manifest.get("made_from", {}).items() if made_from.get(part) == told}
            files = {file: info for file, info in manifest["files"].items() if store.part_of(file) in same}
            kept |= store.take_over(other, uri, files)
    return kept


def embedding_matrix(embeddings: pa.Table) -> np.ndarray:
    """Return the vectors of an embeddings table as float32 [utterances, dim]."""
    column = embeddings["embedding"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def checkpoint_digest(checkpoint: str) -> str:
    """Return the SHA-256 of a checkpoint file."""
    return hashlib.sha256(location.read_bytes(checkpoint)).hexdigest()
