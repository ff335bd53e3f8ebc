"""Measure a verifier beside SpeechBrain's `verify_files`, with one network of random weights in both."""

import os
import tempfile
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import soundfile as sf
import torch
from hydra import compose

from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from avis.verifier import Verifier, Voiceprint

NUM_RECORDINGS, TURNS = 200, 5
"""They take turns on a part of the recordings each, so that what else the machine does strikes both alike."""
CHANNELS = (512, 1024)
EMBEDDING_DIM = 192
HYPERPARAMS = """
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 80
    channels: [{channels}, {channels}, {channels}, {channels}, {of_pooling}]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 128
    lin_neurons: {embedding_dim}
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
    norm_type: global
    std_norm: False
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables: {{}}
"""
"""As published with spkrec-ecapa-voxceleb, which has 1024 channels."""


def verifying(recipe: Recipe, *, num_recordings: int = NUM_RECORDINGS, channels: Iterable[int] = CHANNELS) -> None:
    """Compare a corpus's recordings in pairs, each recording once."""
    paths = _recordings(recipe, num_recordings)
    seconds = sum(sf.info(path).duration for path in paths)
    print(
        f"{len(paths)} recordings of {seconds / len(paths):.1f} s on average, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, ECAPA-TDNN of random weights:"
    )
    for width in channels:
        with tempfile.TemporaryDirectory() as folder:
            _compare(*_made_alike(folder, width, seed=recipe.seed), paths, name=f"{width} channels")


def _recordings(recipe: Recipe, num: int) -> list[str]:
    """Return recordings of all the recipe's corpora, spread over them."""
    sources = [component.build().sources() for component in recipe.corpora.values()]
    paths = sorted({path for table in sources for path in table["path"].to_pylist()})
    return [paths[number] for number in np.linspace(0, len(paths) - 1, min(num, len(paths) // 2 * 2)).astype(int)]


def _made_alike(folder: str, channels: int, *, seed: int) -> tuple[Verifier, Any]:
    """Return AVIS's verifier and SpeechBrain's recogniser with the same weights."""
    from speechbrain.inference.speaker import SpeakerRecognition

    hyperparams = HYPERPARAMS.format(channels=channels, of_pooling=3 * channels, embedding_dim=EMBEDDING_DIM)
    with open(os.path.join(folder, "hyperparams.yaml"), "w") as file:
        file.write(hyperparams)
    torch.manual_seed(seed)
    theirs = SpeakerRecognition.from_hparams(source=folder, savedir=os.path.join(folder, "saved")).eval()
    weights, checkpoint = os.path.join(folder, "embedding_model.ckpt"), os.path.join(folder, "imported.ckpt")
    torch.save(theirs.mods.embedding_model.state_dict(), weights)
    settings = resolve(compose("import_checkpoint", ["source=speechbrain_ecapa", "weights=x", "checkpoint=x"]))
    import_checkpoint(weights, checkpoint, source=Component(settings["source"]), recipe=settings)
    return Verifier.load(checkpoint), theirs


def _compare(ours: Verifier, theirs: Any, paths: list[str], *, name: str) -> None:
    took, differences = np.zeros(2), []
    pairs = list(zip(paths[::2], paths[1::2], strict=True))
    for turn in range(TURNS):
        some = pairs[turn::TURNS]
        started = time.perf_counter()
        scores = _scores(ours, some)
        between = time.perf_counter()
        expected = [float(theirs.verify_files(*pair)[0]) for pair in some]
        took += between - started, time.perf_counter() - between
        differences += np.abs(np.array(scores) - expected).tolist()
    avis, speechbrain = len(paths) / took
    print(
        f"  {name:<14} AVIS {avis:.1f} files/s, SpeechBrain {speechbrain:.1f}: {avis / speechbrain:.2f} times as fast. "
        f"Scores differ by {np.nanmedian(differences):.1e}, at most {np.nanmax(differences):.1e}",
        flush=True,
    )


def _scores(verifier: Verifier, pairs: list[tuple[str, str]]) -> list[float]:
    """Return the cosine of each pair, NaN where one is not heard, which SpeechBrain scores all the same."""
    made = dict(verifier.embed_files([path for pair in pairs for path in pair]))
    return [_score(verifier, *(made[path] for path in pair)) for pair in pairs]


def _score(verifier: Verifier, *sides: Voiceprint | Exception) -> float:
    vectors = []
    for side in sides:
        if isinstance(side, Exception):
            raise side
        if side.embedding is None:
            return np.nan
        vectors.append(side.embedding[None])
    return float(verifier.score(*vectors)[0, 0])
