"""Write another toolkit's checkpoint as one of AVIS."""

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch import Tensor

import avis
from avis import location, store
from avis.checkpoints.components import TARGET, Component, build
from avis.checkpoints.foreign_weights import check_weights
from avis.checkpoints.nemo_archive import model_weights
from avis.checkpoints.toolkit_settings import REDIMNET, check_settings
from avis.foreign import check_archive, check_plain
from avis.models.imported.renaming import Imported

SCALARS: list[Any] = [
    (scalar, "numpy.core.multiarray.scalar"),
    scalar,
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    np.dtypes.Int64DType,
]
"""NumPy's numbers, which toolkits leave beside the weights, such as the best error rate, under old and new names."""
WRAPPERS = ("state_dict", "model")
"""Under which toolkits keep the state dict, where a file holds more."""
IDRND_SETTINGS = "model_config"
"""What IDRnD keeps beside the state dict."""
ZIP = b"PK\x03\x04"
"""What the archives that ``torch.save`` writes begin with; their table of contents is at the end."""
DISTRIBUTED = "module."
"""Before every key of a model that was saved inside its data-parallel wrapper."""

ROUNDING = 1e-4
"""Most that constants of a front end may differ, relative to the largest."""

Source = Callable[[Mapping[str, Tensor]], Imported]
"""Makes a model of AVIS of a state dict, every key of which it knows."""


RECIPE = ("seed", "sharding", "features", "augment", "trainer", "scoring")
"""What scoring needs of a recipe beside the model."""


def import_checkpoint(
    weights: str, checkpoint: str, *, source: Component[Source], recipe: Mapping[str, Any]
) -> Imported:
    """Write the checkpoint of AVIS that computes what another toolkit's does, and return its model.

    It names no training speakers: what it was trained on is unknown, and trials cannot be checked against it.

    Parameters
    ----------
    weights : str
        URI of the other toolkit's file.
    checkpoint : str
        URI of the file to write.
    source : Component
        Makes the model.
    recipe : mapping
        Plain data: `RECIPE`, with the front end that the model was trained with.

    Raises
    ------
    ValueError
        If the file cannot be read without running code in it, has keys that the source does not know, or the front end
        does not fit the model; or there is a file already.
    """
    if location.exists(checkpoint):
        raise ValueError(
            f"file exists: got checkpoint={checkpoint}, expected a new file. At checkpoint. Choose another name."
        )
    data = _read_bytes(weights)
    imported = source.build()(state_dict(data, weights))
    model = imported.build()
    _check_front_end(model, imported, recipe["features"]["front_end"])
    origin = {"source": source.plain[TARGET], "sha256": hashlib.sha256(data).hexdigest(), "avis": avis.__version__}
    buffer = io.BytesIO()
    saved = {
        "state_dict": {f"model.{key}": value for key, value in model.state_dict().items()},
        "recipe": {**{key: recipe[key] for key in RECIPE}, "model": imported.node(), "imported": origin},
        "speakers": [],
        "epoch": 0,
        "global_step": 0,
    }
    torch.save(saved, buffer)
    store.write_bytes(checkpoint, buffer.getvalue())
    return imported


def state_dict(data: bytes, path: str) -> dict[str, Tensor]:
    """Read the tensors of a file that ``torch.save`` or NeMo wrote, without running any code in it.

    Parameters
    ----------
    data : bytes
        The file.
    path : str
        Where it came from, for errors.

    Raises
    ------
    ValueError
        If it holds objects whose loading would run code, or no named tensors, or is damaged, or says that its model is
        none that its weights describe.
    """
    file = model_weights(data, path)
    if file.startswith(ZIP) and not zipfile.is_zipfile(io.BytesIO(file)):
        raise ValueError(
            f"damaged file: got {len(file)} bytes without their end, expected a whole archive as torch.save writes it. "
            f"At {path}. Fetch it again."
        )
    try:
        if file.startswith(ZIP):
            check_archive(io.BytesIO(file))
        with torch.serialization.safe_globals(SCALARS):
            loaded = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(
            f"weights cannot be loaded safely: got {type(error).__name__} ({first_line}), expected named tensors that "
            f"torch.save wrote. At {path}. Save the model's state_dict alone with the toolkit it is from."
        ) from error
    if isinstance(loaded, dict) and IDRND_SETTINGS in loaded:
        where = f"{path}, {IDRND_SETTINGS}"
        check_plain(loaded[IDRND_SETTINGS], where)
        check_settings(loaded[IDRND_SETTINGS], REDIMNET, model="ReDimNet", where=where)
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ValueError(
            f"no state dict: got {type(loaded).__name__}, expected named tensors, alone or under one of {WRAPPERS}. At "
            f"{path}. Save the model's state_dict alone with the toolkit it is from."
        )
    check_weights(loaded, path)
    if all(key.startswith(DISTRIBUTED) for key in loaded):
        return {key.removeprefix(DISTRIBUTED): value for key, value in loaded.items()}
    return dict(loaded)


def _read_bytes(path: str) -> bytes:
    try:
        return location.read_bytes(path)
    except FileNotFoundError as error:
        raise ValueError(
            f"weights missing: got no file, expected one. At weights={path}. Give the path of a checkpoint."
        ) from error


@torch.inference_mode()
def _check_front_end(model: torch.nn.Module, imported: Imported, front_end: Mapping[str, Any]) -> None:
    """Refuse a front end of another width or other constants than the model's; embed a second of noise."""
    num_mels = imported.sizes.get("num_mels", front_end["dim"])
    if num_mels != front_end["dim"]:
        raise ValueError(
            f"the front end does not fit the model: got {front_end['dim']} features, expected {num_mels}. At features. "
            "Choose those that the model was trained with."
        )
    built = build(front_end)
    own = {name.rpartition(".")[2]: constant for name, constant in built.named_buffers()}
    for name, theirs in imported.front_end.items():
        if name not in own or own[name].shape != theirs.shape or not _close(own[name], theirs):
            raise ValueError(
                f"the front end is not the checkpoint's: got features with other {name}, expected the {name} of "
                f"{list(theirs.shape)} that the file has. At features. Choose those that the model was trained with."
            )
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)) / 10
    embedding = model(built(noise))
    if not torch.isfinite(embedding).all():
        raise ValueError(
            "the weights give no numbers: got an embedding of noise that is not finite, expected finite values. At "
            "weights. The file is damaged, or of another model."
        )


def _close(own: Tensor, theirs: Tensor) -> bool:
    """Return whether constants are the same but for how they were rounded."""
    return bool((own - theirs).abs().max() <= ROUNDING * theirs.abs().max())
