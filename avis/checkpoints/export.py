"""Write a checkpoint as one file that maps waveforms to embeddings without AVIS, checked against the model itself."""

import contextlib
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from avis import store
from avis.checkpoints.ancestry import lineage_fields
from avis.checkpoints.checkpoint import Checkpoint

MIN_COSINE = 0.9999
MIN_COSINE_INT8 = 0.9
PROBE_DURATIONS_S = (0.5, 0.737, 1.0, 2.0, 3.21, 5.0, 10.0)
PROBES_OF_A_DURATION = 2
TRACED_DURATION_S = 1.5
"""None of those that are checked."""
INPUT, OUTPUT = "waveforms", "embeddings"

INT8 = "onnx_int8"
FRONT_END = "/front_end: "
"""In the name of where a node of an exported model comes from."""

Embed = Callable[[Tensor], Tensor]
"""Maps waveforms float32 [1, samples] to embeddings float32 [1, dim]."""


class Parity(NamedTuple):
    """How closely an exported model embeds as the checkpoint does.

    Attributes
    ----------
    least, mean : float
        Cosine between embeddings of both, over recordings: the lower of that as they are, and less their mean.
    num : int
        Recordings.
    """

    least: float
    mean: float
    num: int


class WaveformEmbedder(nn.Module):
    """Front end and model in one: float32 ``[batch, samples]`` to ``[batch, dim]``.

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


def export(checkpoint: Checkpoint, file: str, *, format: str, trained_on: str | None = None) -> Parity:
    """Write a checkpoint in another format, if what was written embeds as the checkpoint does; return how closely.

    A file takes one utterance of any length that holds a frame, ONNX any number of one length where the front end and
    model permit, at the sample rate it says (``avis``, JSON, in ONNX's metadata and TorchScript's extra files); it has
    no back-end. In ``onnx_int8`` the convolutions and products of the model, not of its front end, are of 8 bits.
    ``avis`` is the checkpoint without what only a training needs: optimiser and loss.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained model.
    file : str
        URI to write to.
    format : str
        ``"onnx"``, ``"onnx_int8"``, ``"torchscript"`` or ``"avis"``.
    trained_on : str or None
        In words; None where the checkpoint itself says it.

    Returns
    -------
    Parity
        Over synthetic utterances of half a second to ten seconds; ONNX's metadata say it too.

    Raises
    ------
    ValueError
        If its least cosine is not above 0.9999 (0.9 with 8 bits), or the format cannot hold the model (nothing is
        written then), or the format is unknown or not installed.
    """
    if format not in WRITERS:
        raise ValueError(
            f"unknown format: got format={format!r}, expected one of {sorted(WRITERS)}. At format. Choose one of these."
        )
    whole = WaveformEmbedder.of(checkpoint)
    about = {
        "sample_rate": checkpoint.sample_rate,
        "checkpoint": checkpoint.digest,
        "trained_on": trained_on or str(checkpoint.lineage),
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
        parity = measure_parity(whole, exported, sample_rate=checkpoint.sample_rate)
        needed = MIN_COSINE_INT8 if format == INT8 else MIN_COSINE
        if not parity.least > needed:
            raise ValueError(
                f"exported model differs: got cosine={parity.least:.6f} between its embeddings and the checkpoint's, "
                f"expected more than {needed}. At format={format}. Nothing was written; choose another format."
            )
        if format == INT8:
            _say_in_metadata(path, {**about, "cosine": parity._asdict()})
        with open(path, "rb") as written:
            store.write_bytes(file, written.read())
    return parity


def measure_parity(one: Embed, other: Embed, *, sample_rate: int) -> Parity:
    """Compare two models' embeddings of synthetic utterances.

    It is taken of the embeddings as they are, and less the mean of the first model's, which most embeddings share and
    which would hide a difference.
    """
    pairs = [[embed(probe)[0] for embed in (one, other)] for probe in _probes(sample_rate)]
    first, second = (torch.stack(vectors).double() for vectors in zip(*pairs, strict=True))
    mean = first.mean(dim=0)
    cosines = [torch.cosine_similarity(first - shift, second - shift, dim=1) for shift in (0.0 * mean, mean)]
    lower = torch.minimum(*cosines)
    return Parity(float(lower.min()), float(lower.mean()), len(lower))


def _probes(sample_rate: int) -> list[Tensor]:
    """Return harmonics in noise after a silence, float32 ``[1, samples]`` each, of several lengths, pitches, levels."""
    rng = np.random.default_rng(0)
    probes = []
    for duration_s in PROBE_DURATIONS_S * PROBES_OF_A_DURATION:
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
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"not installed: got no {error.name}, expected onnx, onnxscript and onnxruntime. At format=onnx. "
            "pip install 'avis[export]'."
        ) from error
    with _quiet():
        program = _program(whole, _traced(about))
        written = torch.onnx.export(program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False)
    assert written is not None, "dynamo=True returns a program"
    written.model.metadata_props["avis"] = json.dumps(about)
    written.save(path)
    return _onnx_session(path)


def _program(whole: nn.Module, waveforms: Tensor) -> torch.export.ExportedProgram:
    """Return a model for any number of utterances, or for one where it permits no other."""
    any_size = torch.export.Dim.DYNAMIC
    two = waveforms.repeat(2, 1)  # a dimension of 1 would be taken for a constant
    try:
        return torch.export.export(whole, (two,), dynamic_shapes=({0: any_size, 1: any_size},), strict=False)
    except RuntimeError:
        return torch.export.export(whole, (waveforms,), dynamic_shapes=({1: any_size},), strict=False)


def _onnx_session(path: str) -> Embed:
    """Return what embeds one utterance by a file, in a batch of three where it takes several."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    num = 1 if session.get_inputs()[0].shape[0] == 1 else 3

    def embed(waveforms: Tensor) -> Tensor:
        batch = torch.cat([waveforms, waveforms.flip(1), waveforms])[:num]
        return torch.from_numpy(session.run([OUTPUT], {INPUT: batch.numpy()})[0])[:1]

    return embed


def _write_onnx_int8(whole: nn.Module, checkpoint: Checkpoint, path: str, about: Mapping[str, Any]) -> Embed:
    """Write ONNX whose weights are of 8 bits, and whose activations are brought to them as they come."""
    _write_onnx(whole, checkpoint, path, about)
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes = onnx.load(path).graph.node
    of_front_end = [node.name for node in nodes if any(FRONT_END in prop.value for prop in node.metadata_props)]
    with _quiet():
        quantize_dynamic(path, path, nodes_to_exclude=of_front_end, weight_type=QuantType.QInt8)
    return _onnx_session(path)


def _say_in_metadata(path: str, about: Mapping[str, Any]) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"avis": json.dumps(about)})
    onnx.save(model, path)


def _write_avis(whole: nn.Module, checkpoint: Checkpoint, path: str, about: Mapping[str, Any]) -> Embed:
    weights = {key: value for key, value in checkpoint.weights.items() if not key.startswith("loss.")}
    kept = {key: getattr(checkpoint, key) for key in ("recipe", "epoch", "global_step")}
    torch.save({"state_dict": weights, **kept, **lineage_fields(checkpoint.lineage)}, path)
    return WaveformEmbedder.of(Checkpoint.open(path))


WRITERS: dict[str, Callable[[nn.Module, Checkpoint, str, Mapping[str, Any]], Embed]] = {
    "avis": _write_avis,
    "onnx": _write_onnx,
    INT8: _write_onnx_int8,
    "torchscript": _write_torchscript,
}
"""By format: write the file, and return what reads it."""
