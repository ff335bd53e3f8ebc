"""Embed utterances on a pool of actors and score trial lists in parallel."""

import functools
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import torch
from hydra.utils import instantiate

from avis import location, store
from avis.audio.codec import read_all
from avis.augment.bank import Bank
from avis.engine.parts import run_parts
from avis.engine.session import Compute
from avis.engine.stream import example_maker, make_banks
from avis.engine.trial_lists import TrialList, named_utterances, read_index, read_lists
from avis.schema import SCORES, embeddings_schema
from avis.scoring.trial_ids import gather
from avis.training.checkpoint import read_checkpoint

TRIALS_PER_PART = 1_000_000


class Embedder:
    """Embed utterances of one part of a store; see `avis.engine.parts.PartMaker`.

    Parameters
    ----------
    checkpoint : str
    copies : int
        Besides the whole utterance as it is, embed this many augmented crops of it (for fitting back-ends).
    banks : callable
        Returns the noise and rooms for them.
    """

    def __init__(self, checkpoint: str, *, copies: int, banks: Callable[[], Mapping[str, Bank]]) -> None:
        loaded = read_checkpoint(checkpoint)
        recipe = loaded["recipe"]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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


def score(cfg: dict[str, Any], checkpoint: str, utterances: str, run_dir: str) -> dict[str, str]:
    """Score the configured trial lists and return the scores table of each.

    Raises
    ------
    ValueError
        If a list cannot be read or made, or fails the configured checks (``trial_checks``).
    """
    compute: Compute = instantiate(cfg["compute"])
    index = read_index(utterances)
    lists = read_lists(cfg, index, trained=read_checkpoint(checkpoint)["speakers"])
    embedded = embed(
        checkpoint, utterances, index, named_utterances(lists), run_dir, compute=compute, label="embed trials"
    )
    backend = fitted_backend(cfg, checkpoint, utterances, index, run_dir)
    vectors = backend.transform(_vectors(embedded))
    return {
        name: _score_list(name, listed, embedded["utt_id"], vectors, backend, run_dir, compute)
        for name, listed in lists.items()
    }


def check_trials(cfg: dict[str, Any], utterances: str) -> None:
    """Check before a training that its trials can be scored after it.

    Raises
    ------
    ValueError
        If a list cannot be read or made, or fails the configured checks (``trial_checks``).
    """
    index = read_index(utterances)
    read_lists(cfg, index, trained=index.filter(pc.equal(index["split"], "train"))["speaker"].unique().to_pylist())


def embed(
    checkpoint: str,
    utterances: str,
    index: pa.Table,
    wanted: pa.Array,
    run_dir: str,
    *,
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
            part = os.path.splitext(os.path.basename(uri))[0]
            tasks[part] = pa.table({"uri": [uri] * len(ids), "utt_id": ids})
    made_from = [checkpoint_digest(checkpoint), utterances, sorted(wanted_ids), copies]
    inputs = store.fingerprint(made_from)
    uri = location.join(run_dir, "embeddings", inputs)
    if not store.finished(uri, inputs):
        compute.connect()
        make = functools.partial(Embedder, checkpoint, copies=copies, banks=banks)
        num_gpus = 1 if compute.num_gpus() else 0
        run_parts(uri, tasks, make, compute=compute, label=label, num_gpus=num_gpus)
        store.finish(uri, parts=tasks, inputs=inputs, facts={"checkpoint": checkpoint, "utterances": utterances})
    return store.read_table(uri, "embeddings").sort_by("utt_id")


def _vectors(embeddings: pa.Table) -> np.ndarray:
    """Return the vectors of an embeddings table as float32 [utterances, dim]."""
    column = embeddings["embedding"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def checkpoint_digest(checkpoint: str) -> str:
    """Return the SHA-256 of a checkpoint file."""
    return hashlib.sha256(location.read_bytes(checkpoint)).hexdigest()


def fitted_backend(cfg: dict[str, Any], checkpoint: str, utterances: str, index: pa.Table, run_dir: str) -> Any:
    """Return the configured back-end, fitted on training speakers; it is kept beside the checkpoint and reused.

    Raises
    ------
    ValueError
        If it was not fitted yet and the store has none of the checkpoint's training speakers.
    """
    scoring = cfg["scoring"]
    backend = instantiate(scoring["backend"])
    name = f"backend-{store.fingerprint([scoring, checkpoint_digest(checkpoint)])}.npz"
    path = location.join(os.path.dirname(checkpoint), name)
    if location.exists(path):
        with np.load(io.BytesIO(location.read_bytes(path)), allow_pickle=False) as state:
            backend.restore(dict(state))
        return backend
    loaded = read_checkpoint(checkpoint)
    trained = loaded["speakers"]
    training = index.filter(pc.is_in(index["speaker"], pa.array(trained)))
    if not len(training):
        raise ValueError(
            f"back-end not fitted: got no {name} beside the checkpoint and none of its {len(trained)} training "
            f"speakers in the store, expected one or the other. At {utterances}. Score once on the training corpus."
        )
    if len(training) > scoring["fit_utterances"]:
        chosen = np.random.default_rng(cfg["seed"]).permutation(len(training))[: scoring["fit_utterances"]]
        training = training.take(np.sort(chosen))
    compute: Compute = instantiate(cfg["compute"])
    embedded = embed(
        checkpoint,
        utterances,
        index,
        training["utt_id"],
        run_dir,
        compute=compute,
        label="embed training speakers",
        copies=scoring["fit_copies"],
        banks=shared_by_workers(make_banks(loaded["recipe"], utterances) if scoring["fit_copies"] else {}, compute),
    )
    speakers = np.array(training["speaker"].to_pylist())[gather(embedded["utt_id"], training["utt_id"])]
    backend.fit(_vectors(embedded), speakers)
    buffer = io.BytesIO()
    np.savez(buffer, **backend.state())
    store.write_bytes(path, buffer.getvalue())
    return backend


def shared_by_workers(value: Any, compute: Compute) -> Callable[[], Any]:
    """Put a value into the object store once, and return what fetches it on a worker."""
    if compute.in_process:
        return functools.partial(_identity, value)
    compute.connect()
    return functools.partial(_fetch, [ray.put(value)])


def _identity(value: Any) -> Any:
    return value


def _fetch(reference: list[ray.ObjectRef]) -> Any:
    return ray.get(reference[0])


class PairScorer:
    """Score one part of a trial list; see `avis.engine.parts.PartMaker`."""

    def __init__(self, backend: Any, vectors: Callable[[], np.ndarray]) -> None:
        self.backend, self.vectors = backend, vectors()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the trials with their scores; ``enroll_row`` and ``test_row`` say which vectors to compare."""
        enroll, test = (self.vectors[task[side].to_numpy()] for side in ("enroll_row", "test_row"))
        scores = self.backend.score(enroll, test).astype(np.float32)
        trials = task.drop_columns(["enroll_row", "test_row"])
        return {"scores": trials.append_column(SCORES.field("score"), pa.array(scores))}


def _score_list(
    name: str,
    listed: TrialList,
    ids: pa.ChunkedArray,
    vectors: np.ndarray,
    backend: Any,
    run_dir: str,
    compute: Compute,
) -> str:
    trials, facts = listed
    state = {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in backend.state().items()}
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()
    inputs = store.fingerprint([store.table_digest(trials), facts, digest, state])
    uri = location.join(run_dir, "scores", f"{name}-{inputs}")
    if store.finished(uri, inputs):
        return uri
    numbered = trials
    for side in ("enroll", "test"):
        numbered = numbered.append_column(f"{side}_row", pa.array(gather(trials[side], ids)))
    starts = range(0, len(trials), TRIALS_PER_PART)
    tasks = {f"part-{n:05d}": numbered.slice(start, TRIALS_PER_PART) for n, start in enumerate(starts)}
    make = functools.partial(PairScorer, backend, shared_by_workers(vectors, compute))
    run_parts(uri, tasks, make, compute=compute, label=f"score {name}")
    manifest = store.finish(uri, parts=tasks, inputs=inputs, facts={"trials": name, **facts})
    assert manifest["rows"]["scores"] == len(trials), f"{manifest['rows']} scores for {len(trials)} trials"
    return uri
