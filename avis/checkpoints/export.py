"""Write a checkpoint as one file that maps waveforms to embeddings without AVIS, checked against the model itself."""

import contextlib
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avis import store
from avis.checkpoints.ancestry import lineage_fields
from avis.checkpoints.checkpoint import Checkpoint

MIN_COSINE = 0.9999
PROBE_DURATIONS_S = (0.5, 0.737, 1.0, 2.0, 3.21, 5.0, 10.0)
TRACED_DURATION_S = 1.5
"""None of those that are checked."""
INPUT, OUTPUT = "waveforms", "embeddings"

Embed = Callable[[Tensor], Tensor]
"""Maps waveforms float32 [1, samples] to embeddings float32 [1, dim]."""


class WaveformEmbedder(nn.Module):
    """Front end and model in one: float32 ``[1, samples]`` to ``[1, dim]``.

    Parameters
    ----------
    front_end, model : torch.nn.Module
        As trained.
    """

    def __init__(self, front_end: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.front_end, self.model = front_end, model

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "WaveformEmbedder":
        """Return that of a checkpoint, ready to embed."""
        return cls(checkpoint.build_front_end(), checkpoint.build_model()).eval()

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the embedding, not length-normalised."""
        return self.model(self.front_end(waveforms))


def export(checkpoint: Checkpoint, file: str, *, format: str) -> float:
    """Write a checkpoint in another format, if what was written embeds as the checkpoint does; return how closely.

    A file takes one utterance of any length that holds a frame, at the sample rate it says (``avis``, JSON, in ONNX's
    metadata and TorchScript's extra files); it has no back-end. ``avis`` is the checkpoint without what only
    a training needs: optimiser and loss.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained model.
    file : str
        URI to write to.
    format : str
        ``"onnx"``, ``"torchscript"`` or ``"avis"``.

    Returns
    -------
    float
        The least cosine between embeddings of both, as they are and less their mean, over synthetic utterances of half
        a second to ten seconds.

    Raises
    ------
    ValueError
        If that is not above 0.9999 or the format cannot hold the model (nothing is written then), or the format is
        unknown or not installed.
    """
    if format not in WRITERS:
        raise ValueError(
            f"unknown format: got format={format!r}, expected one of {sorted(WRITERS)}. At format. Choose one of these."
        )
    whole = WaveformEmbedder.of(checkpoint)
    about = {
        "sample_rate": checkpoint.sample_rate,
        "checkpoint": checkpoint.digest,
        "trained_on": str(checkpoint.lineage),
    }
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = os.path.join(folder, "exported")
        try:
            exported = WRITERS[format](whole, checkpoint, path, about)
        except RuntimeError as error:  # of torch.jit, torch.export and torch.onnx
            first_line = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"format cannot hold the model: got {type(error).__name__} ({first_line}), expected none, of "
                f"{type(whole.model).__name__} on {type(whole.front_end).__name__}. At format={format}. Choose another "
                "format; avis holds every model."
            ) from error
        cosine = least_cosine(whole, exported, sample_rate=checkpoint.sample_rate)
        if not cosine > MIN_COSINE:
            raise ValueError(
                f"exported model differs: got cosine={cosine:.6f} between its embeddings and the checkpoint's, "
                f"expected more than {MIN_COSINE}. At format={format}. Nothing was written; choose another format."
            )
        with open(path, "rb") as written:
            store.write_bytes(file, written.read())
    return cosine


def least_cosine(one: Embed, other: Embed, *, sample_rate: int) -> float:
    """Return the least cosine between two models' embeddings of synthetic utterances.

    It is taken of the embeddings as they are, and less the mean of the first model's, which most embeddings share and
    which would hide a difference.
    """
    pairs = [[embed(probe)[0] for embed in (one, other)] for probe in _probes(sample_rate)]
    first, second = (torch.stack(vectors).double() for vectors in zip(*pairs, strict=True))
    mean = first.mean(dim=0)
    cosines = [torch.cosine_similarity(first - shift, second - shift, dim=1) for shift in (0.0 * mean, mean)]
    return float(torch.cat(cosines).min())


def _probes(sample_rate: int) -> list[Tensor]:
    """Return harmonics in noise after a silence, float32 ``[1, samples]`` each, of several lengths, pitches, levels."""
    rng = np.random.default_rng(0)
    probes = []
    for duration_s in PROBE_DURATIONS_S:
        time_s = np.arange(int(duration_s * sample_rate)) / sample_rate
        pitch_hz, level = rng.uniform(80, 300), rng.uniform(0.01, 0.3)
        voice = sum(np.sin(2 * np.pi * k * pitch_hz * time_s) / k ** rng.uniform(0.5, 2) for k in range(1, 20))
        syllables = np.sin(2 * np.pi * rng.uniform(2, 6) * time_s).clip(0)
        noise = rng.normal(size=time_s.size) * rng.uniform(0.001, 0.1)
        waveform = level * (syllables * voice + noise) * (time_s > 0.1)
        probes.append(torch.from_numpy(waveform.clip(-1, 1).astype(np.float32))[None])
    return probes


def _traced(about: Mapping[str, Any]) -> Tensor:
    return (
        torch.randn(1, int(TRACED_DURATION_S * about["sample_rate"]), generator=torch.Generator().manual_seed(0)) / 10
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporters say on the way: what they take for constant or leave out is found by the comparison."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_torchscript(whole: nn.Module, checkpoint: Checkpoint, path: str, about: Mapping[str, Any]) -> Embed:
    with _quiet():
        traced = torch.jit.trace(whole, _traced(about), check_trace=False)
        torch.jit.save(traced, path, _extra_files={"avis": json.dumps(about)})
        return torch.jit.load(path)


def _write_onnx(whole: nn.Module, checkpoint: Checkpoint, path: str, about: Mapping[str, Any]) -> Embed:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"not installed: got no {error.name}, expected onnx, onnxscript and onnxruntime. At format=onnx. "
            "pip install 'avis[export]'."
        ) from error
    with _quiet():
        samples = ({1: torch.export.Dim.DYNAMIC},)
        program = torch.export.export(whole, (_traced(about),), dynamic_shapes=samples, strict=False)
        written = torch.onnx.export(program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False)
    assert written is not None, "dynamo=True returns a program"
    written.model.metadata_props["avis"] = json.dumps(about)
    written.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda waveforms: torch.from_numpy(session.run([OUTPUT], {INPUT: waveforms.numpy()})[0])


def _write_avis(whole: nn.Module, checkpoint: Checkpoint, path: str, about: Mapping[str, Any]) -> Embed:
    weights = {key: value for key, value in checkpoint.weights.items() if not key.startswith("loss.")}
    kept = {key: getattr(checkpoint, key) for key in ("recipe", "epoch", "global_step")}
    torch.save({"state_dict": weights, **kept, **lineage_fields(checkpoint.lineage)}, path)
    return WaveformEmbedder.of(Checkpoint.open(path))


WRITERS: dict[str, Callable[[nn.Module, Checkpoint, str, Mapping[str, Any]], Embed]] = {
    "avis": _write_avis,
    "onnx": _write_onnx,
    "torchscript": _write_torchscript,
}
"""By format: write the file, and return what reads it."""
