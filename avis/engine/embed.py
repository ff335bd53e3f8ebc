"""Embed utterances on a pool of actors, each once."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from hydra.utils import instantiate

from avis import location, store
from avis.audio.codec import read_all
from avis.augment.bank import Bank
from avis.engine.parts import run_parts
from avis.engine.session import Compute
from avis.engine.stream import example_maker
from avis.schema import embeddings_schema
from avis.training.checkpoint import read_checkpoint


class Embedder:
    """Embed utterances of one part of a store; see `avis.engine.parts.PartMaker`.

    Parameters
    ----------
    checkpoint : str
    copies : int
        Besides the whole utterance as it is, embed this many augmented crops of it (for fitting back-ends).
    banks : callable
        Returns the noise and rooms for them.
    use_gpu : bool
    """

    def __init__(self, checkpoint: str, *, copies: int, banks: Callable[[], Mapping[str, Bank]], use_gpu: bool) -> None:
        loaded = read_checkpoint(checkpoint)
        recipe = loaded["recipe"]
        self.device = torch.device("cuda" if use_gpu else "cpu")
        self.model = load_model(loaded, checkpoint).to(self.device).eval()
        self.features = instantiate(recipe["features"])
        self.maker, self.copies, self.banks = example_maker(recipe, training=False), copies, banks()

    @torch.inference_mode()
    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the embeddings of the rows of ``task`` (``uri``, ``utt_id``), all of one part."""
        uri, wanted = task["uri"][0].as_py(), set(task["utt_id"].to_pylist())
        ids, embeddings = [], []
        part = store.open_part(uri)
        for index in range(part.num_row_groups):
            for row in store.read_row_group(part, uri, index, ["utt_id", "audio", "num_samples"]).to_pylist():
                for features in self._views(row) if row["utt_id"] in wanted else ():
                    ids.append(row["utt_id"])
                    embeddings.append(self.model(features[None].to(self.device))[0].float().cpu().numpy())
        vectors = np.stack(embeddings)
        schema = embeddings_schema(vectors.shape[1])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"embeddings": pa.Table.from_arrays([pa.array(ids), column], schema=schema)}

    def _views(self, row: dict[str, Any]) -> list[torch.Tensor]:
        whole = self.features(torch.from_numpy(read_all(row["audio"])))
        crops = [self.maker.example(row, pass_=copy, banks=self.banks)[0] for copy in range(self.copies)]
        return [whole, *map(torch.from_numpy, crops)]


def load_model(checkpoint: Mapping[str, Any], path: str) -> torch.nn.Module:
    """Build the model of a checkpoint and load its weights.

    Raises
    ------
    ValueError
        If the weights do not fit the model that the checkpoint's recipe names.
    """
    model: torch.nn.Module = instantiate(checkpoint["recipe"]["model"])
    prefix = "model."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"checkpoint of another architecture: got {str(error).splitlines()[1].strip()!r}, expected the weights of "
            f"{type(model).__name__}. At {path}. Give the checkpoint of this model."
        ) from error
    return model


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
) -> pa.Table:
    """Embed some utterances of a store, each once, or take the embeddings that are already there.

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
    made_from = [checkpoint_digest(checkpoint), utterances, sorted(wanted_ids), copies]
    inputs = store.fingerprint(made_from)
    uri = location.join(run_dir, "embeddings", inputs)
    if not store.finished(uri, inputs):
        compute.connect()
        num_gpus = 1 if compute.num_gpus() else 0
        make = functools.partial(Embedder, checkpoint, copies=copies, banks=banks, use_gpu=num_gpus > 0)
        run_parts(uri, tasks, make, compute=compute, label=label, num_gpus=num_gpus)
        store.finish(uri, parts=tasks, inputs=inputs, facts={"checkpoint": checkpoint, "utterances": utterances})
    return store.read_table(uri, "embeddings").sort_by("utt_id")


def embedding_matrix(embeddings: pa.Table) -> np.ndarray:
    """Return the vectors of an embeddings table as float32 [utterances, dim]."""
    column = embeddings["embedding"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def checkpoint_digest(checkpoint: str) -> str:
    """Return the SHA-256 of a checkpoint file."""
    return hashlib.sha256(location.read_bytes(checkpoint)).hexdigest()
