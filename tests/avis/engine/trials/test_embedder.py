"""Long recordings are embedded in windows, and who cannot be embedded is named."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from avis import store
from avis.audio.codec import read_all
from avis.audio.crop import windows
from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.trials.embedder import Embedder
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import read_index
from avis.engine.trials.vectors import embedding_matrix

WINDOW_S = 0.6


@pytest.fixture
def checkpoint(tiny_run: str) -> Checkpoint:
    return Checkpoint.open(best_checkpoint(tiny_run))


@pytest.fixture
def rows(tiny_store: str) -> pa.Table:
    return store.read_table(tiny_store, "utterances", prefix="test").slice(0, 3)


def embedder(checkpoint: Checkpoint, *, max_window_s: float = WINDOW_S, threads: int = 0, **given: Any) -> Embedder:
    given = {"copies": 0, "banks": dict, "use_gpu": False, "max_window_s": max_window_s} | given
    made = Embedder(lambda: checkpoint, **given)
    made.threads = threads
    return made


def task(tiny_store: str, rows: pa.Table) -> pa.Table:
    [uri] = {uri for uri in store.part_uris(tiny_store, "utterances", "test") if _holds(uri, rows)}
    return pa.table({"uri": [uri] * len(rows), "utt_id": rows["utt_id"]})


def _holds(uri: str, rows: pa.Table) -> bool:
    return rows["utt_id"][0].as_py() in store.open_part(uri).read(["utt_id"])["utt_id"].to_pylist()


@pytest.mark.parametrize(("num_samples", "longest"), [(1, 5), (5, 5), (6, 5), (24_001, 9_600), (10**6, 7)])
def test_windows_cover_a_recording_and_are_of_one_length(num_samples: int, longest: int):
    cut = windows(num_samples, longest)
    assert [start for start, _ in cut] == [0, *np.cumsum([num for _, num in cut])[:-1]]
    lengths = [num for _, num in cut]
    assert sum(lengths) == num_samples
    assert max(lengths) <= longest
    assert max(lengths) - min(lengths) <= 1
    assert len(cut) == -(-num_samples // longest)


@pytest.mark.parametrize("values_together", [0, 20_000])
def test_a_long_recording_s_embedding_is_the_mean_of_its_windows(
    checkpoint: Checkpoint, tiny_store: str, rows: pa.Table, values_together: int
):
    """Each window is a recording of its own, its features normalised over itself; some are embedded together or not."""
    model, features = checkpoint.build_model().eval(), checkpoint.build_front_end()
    embed = embedder(checkpoint)
    embed.values_together = values_together
    made = embedding_matrix(embed(task(tiny_store, rows.slice(0, 1)))["embeddings"])
    waveform = torch.from_numpy(read_all(rows["audio"][0].as_py()))
    assert len(waveform) == 24000
    with torch.inference_mode():
        each = [model(features(third)[None])[0].numpy() for third in waveform.split(8000)]
    np.testing.assert_allclose(made[0], np.mean(each, axis=0), atol=1e-5)
    whole = embedding_matrix(embedder(checkpoint, max_window_s=1.5)(task(tiny_store, rows.slice(0, 1)))["embeddings"])
    with torch.inference_mode():
        np.testing.assert_array_equal(whole[0], model(features(waveform)[None])[0].numpy())
    assert not np.allclose(made, whole, atol=1e-3)


def test_embeddings_of_another_window_are_others(
    checkpoint: Checkpoint, tiny_recipe: Recipe, tiny_store: str, rows: pa.Table, tmp_path: Path
):
    ids = rows["utt_id"].combine_chunks()
    tables = [
        StoreEmbedder(checkpoint, tiny_store, str(tmp_path), tiny_recipe.compute, window).embed(ids, label="embed")
        for window in (WINDOW_S, 60.0)
    ]
    assert not np.allclose(*map(embedding_matrix, tables), atol=1e-3)


def test_what_was_fitted_on_short_recordings_does_not_depend_on_the_window(
    checkpoint: Checkpoint, tiny_recipe: Recipe, tiny_store: str
):
    one, other = (StoreEmbedder(checkpoint, tiny_store, "", tiny_recipe.compute, window) for window in (1.4, 1.5))
    index = read_index(tiny_store)
    assert (one.windowed(index), other.windowed(index), one.windowed(index.slice(0, 0))) == ([1.4], [], [])


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 5 GiB"), r"^out of memory: got Unable .*At {}\. Lower max_window_s"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you\nX"), r"^out of memory: .* At {}\. Lower"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), r"^out of memory: got CUDA.* At {}\. Lower"),
        (ValueError("A waveform must hold a frame: got 3, expected 4. At Fbank."), r"^utterance cannot .*At {}\."),
    ],
)
def test_the_utterance_that_cannot_be_embedded_is_named(
    checkpoint: Checkpoint,
    tiny_store: str,
    rows: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
):
    def fail(*args: object) -> None:
        raise error

    asked, embed, named = task(tiny_store, rows.slice(0, 1)), embedder(checkpoint), rows["utt_id"][0].as_py()
    for part in (embed.front_end, embed.model):
        monkeypatch.setattr(part, "forward", fail)
        with pytest.raises(ValueError, match=said.format(named)):
            embed(asked)
        monkeypatch.undo()


def test_an_embedding_that_is_not_a_number_is_refused(checkpoint: Checkpoint, tiny_store: str, rows: pa.Table):
    embed = embedder(checkpoint)
    embed.model.register_forward_hook(lambda *args: args[2] * torch.nan)
    message = rf"embedding without a value: got 16 of 16 .*At {rows['utt_id'][0].as_py()}\."
    with pytest.raises(ValueError, match=message):
        embed(task(tiny_store, rows.slice(0, 1)))


@pytest.fixture
def banks(tiny_recipe: Recipe, tiny_store: str) -> dict[str, Bank]:
    return gather_inputs(tiny_recipe, tiny_store, 1).examples.banks


@pytest.mark.few(2)
@pytest.mark.parametrize("values_together", [0, 20_000])
@pytest.mark.parametrize("hears_on_device", [False, True])
def test_what_is_read_ahead_is_embedded_alike(
    checkpoint: Checkpoint,
    tiny_store: str,
    rows: pa.Table,
    banks: dict[str, Bank],
    values_together: int,
    hears_on_device: bool,
):
    """Windows and copies, with features of who reads or, as of front ends with weights, of who embeds."""
    asked, made = task(tiny_store, rows), []
    for threads in (0, 3):
        embed = embedder(checkpoint, copies=2, banks=lambda: banks, threads=threads)
        embed.values_together, embed.frames_together = values_together, 200 if values_together else 0
        embed.hears_on_device = hears_on_device
        made.append(embed(asked)["embeddings"])
    assert made[0].equals(made[1])
    assert len(made[0]) == 3 * len(made[0]["utt_id"].unique()) > 0


def test_nothing_is_left_of_reading_ahead_where_one_cannot_be_embedded(
    checkpoint: Checkpoint, tiny_store: str, rows: pa.Table, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: object) -> None:
        raise ValueError("too short")

    embed, before = embedder(checkpoint, threads=2), set(threading.enumerate())
    monkeypatch.setattr(embed.front_end, "forward", fail)
    with pytest.raises(ValueError, match=rf"^utterance cannot be embedded: got too .*At {rows['utt_id'][0].as_py()}\."):
        embed(task(tiny_store, rows))
    assert set(threading.enumerate()) == before


@pytest.mark.gpu
@pytest.mark.parametrize("threads", [0, 4])
@pytest.mark.parametrize("hears_on_device", [False, True])
def test_a_gpu_gives_the_same(
    checkpoint: Checkpoint,
    tiny_store: str,
    rows: pa.Table,
    banks: dict[str, Bank],
    threads: int,
    hears_on_device: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    asked, given = task(tiny_store, rows), {"copies": 2, "banks": lambda: banks}
    expected = embedder(checkpoint, **given)(asked)["embeddings"]
    on_gpu = embedder(checkpoint, **given, use_gpu=True, threads=threads)
    if hears_on_device:
        on_gpu.hears_on_device = True
        on_gpu.front_end.to("cuda")
    made = on_gpu(asked)["embeddings"]
    assert made["utt_id"].equals(expected["utt_id"])
    np.testing.assert_allclose(embedding_matrix(made), embedding_matrix(expected), atol=1e-3)
