"""Take the weights out of NeMo's archives, in memory, if the model is one that its weights describe."""

import gzip
import io
import tarfile
import zlib

import yaml

from avis.checkpoints.toolkit_settings import TITANET, check_settings
from avis.foreign import MAX_DEPTH, check_plain

GZIP = b"\x1f\x8b"
TAR, TAR_OFFSET = b"ustar", 257
"""What a tar file says at this place."""
WEIGHTS, SETTINGS = "model_weights.ckpt", "model_config.yaml"
MAX_COMPRESSION = 8
"""Weights are hardly compressible."""
MAX_SETTINGS_BYTES = 1 << 19


def model_weights(data: bytes, path: str) -> bytes:
    """Return the file of weights in a ``.nemo`` archive, or ``data`` itself if it is no archive.

    Nothing is written to disk, so the names in the archive lead nowhere.

    Parameters
    ----------
    data : bytes
        The file: a tar file, perhaps compressed by gzip, or anything else.
    path : str
        Where it came from, for errors.

    Raises
    ------
    ValueError
        If the archive is damaged, does not have exactly one file of weights and one of settings, or the settings are
        not those of a TitaNet on the features it is published with.
    """
    if not data.startswith(GZIP) and not data.startswith(TAR, TAR_OFFSET):
        return data
    try:
        with tarfile.open(fileobj=io.BytesIO(_unzipped(data)), mode="r:") as archive:
            settings, weights = (_read(archive, name, path) for name in (SETTINGS, WEIGHTS))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"damaged archive: got {type(error).__name__} ({error}), expected a tar file as NeMo writes it. At "
            f"{path}. Fetch it again."
        ) from error
    _check(settings, path)
    return weights


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(GZIP):
        return data
    most = MAX_COMPRESSION * len(data) + MAX_SETTINGS_BYTES
    with gzip.open(io.BytesIO(data)) as file:
        unzipped = file.read(most + 1)
    if len(unzipped) > most:
        raise tarfile.ReadError(f"more than {most} bytes in {len(data)}")
    return unzipped


def _read(archive: tarfile.TarFile, name: str, path: str) -> bytes:
    found = [file for file in archive.getmembers() if file.isfile() and file.name.removeprefix("./") == name]
    if any(file.issparse() for file in found):
        raise tarfile.ReadError(f"{name} with holes")
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
        if len(settings) > MAX_SETTINGS_BYTES:
            raise yaml.YAMLError(f"{len(settings)} bytes")
        _check_levels(settings.decode())
        parsed = yaml.safe_load(settings.decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(
            f"unreadable settings: got {type(error).__name__} ({first_line}), expected YAML as NeMo writes it. At "
            f"{where}. Give a .nemo file that NeMo saved."
        ) from error
    check_plain(parsed, where)
    check_settings(parsed, TITANET, model="TitaNet", where=where)


def _check_levels(text: str) -> None:
    """Refuse deep settings before they are loaded, which takes time by the square of their levels."""
    levels = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if levels > MAX_DEPTH:
            raise yaml.YAMLError(f"more than {MAX_DEPTH} levels")
