"""Take the weights out of NeMo's archives, in memory, if the model is one that its weights describe."""

import io
import re
import tarfile
import zlib

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avis.engine.config import leaves

GZIP = b"\x1f\x8b"
TAR, TAR_OFFSET = b"ustar", 257
"""What a tar file says at this place."""
WEIGHTS, SETTINGS = "model_weights.ckpt", "model_config.yaml"
EXPECTED = {
    r"encoder\.jasper\.\d+\.(stride|dilation)(\.\d+)?": 1,
    r"encoder\.jasper\.\d+\.se_context_size": -1,
    r"encoder(\.jasper\.\d+)?\.residual_mode": "add",
    r"encoder\.activation": "relu",
    r"preprocessor\.window_stride": 0.01,
    r"preprocessor\.normalize": "per_feature",
    r"preprocessor\.preemph": 0.97,
    r"preprocessor\.log": True,
    r"preprocessor\.log_zero_guard_type": "add",
    r"preprocessor\.log_zero_guard_value": 2**-24,
    r"preprocessor\.mag_power": 2.0,
    r"preprocessor\.frame_splicing": 1,
    r"preprocessor\.exact_pad": False,
}
"""Settings that no tensor shows: TitaNet's, and those of ``nemo_mel_80``. What a file leaves out is so in NeMo too."""


def model_weights(data: bytes, path: str) -> bytes:
    """Return the file of weights in a ``.nemo`` archive, or ``data`` itself if it is no archive.

    Nothing is written to disk, so the names in the archive lead nowhere.

    Parameters
    ----------
    data
        The file: a tar file, perhaps compressed by gzip, or anything else.
    path
        Where it came from, for errors.

    Raises
    ------
    ValueError
        If the archive is damaged, does not have exactly one file of weights and one of settings, or the settings are
        not those of a TitaNet on the features it is published with.
    """
    compressed = data.startswith(GZIP)
    if not compressed and not data.startswith(TAR, TAR_OFFSET):
        return data
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if compressed else "r:") as archive:
            settings, weights = (_read(archive, name, path) for name in (SETTINGS, WEIGHTS))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"damaged archive: got {type(error).__name__} ({error}), expected a tar file as NeMo writes it. At "
            f"{path}. Fetch it again."
        ) from error
    _check(settings, path)
    return weights


def _read(archive: tarfile.TarFile, name: str, path: str) -> bytes:
    found = [file for file in archive.getmembers() if file.isfile() and file.name.removeprefix("./") == name]
    content = archive.extractfile(found[0]) if len(found) == 1 else None
    if content is None:
        raise ValueError(
            f"no model in the archive: got {len(found)} files {name}, expected 1. At {path}. Give a .nemo file that "
            "NeMo saved."
        )
    return content.read()


def _check(settings: bytes, path: str) -> None:
    """Refuse settings that change what the same weights compute."""
    where = f"{path}, {SETTINGS}"
    try:
        parsed = OmegaConf.to_container(OmegaConf.create(settings.decode()), resolve=False)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ValueError(
            f"unreadable settings: got {type(error).__name__}, expected YAML as NeMo writes it. At {where}. Give a "
            ".nemo file that NeMo saved."
        ) from error
    for name, value in leaves(parsed).items():
        for pattern, expected in EXPECTED.items():
            if re.fullmatch(pattern, name) and value != expected:
                raise ValueError(
                    f"another model than TitaNet on its features: got {name}={value}, expected {expected}. At {where}. "
                    "Such a model is not known."
                )
