"""Take the weights out of NeMo's archives, in memory, if the model is one that its weights describe."""

import io
import tarfile
import zlib

import yaml

from avis.checkpoints.toolkit_settings import TITANET, check_settings

GZIP = b"\x1f\x8b"
TAR, TAR_OFFSET = b"ustar", 257
"""What a tar file says at this place."""
WEIGHTS, SETTINGS = "model_weights.ckpt", "model_config.yaml"


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
        parsed = yaml.safe_load(settings.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(
            f"unreadable settings: got {type(error).__name__}, expected YAML as NeMo writes it. At {where}. Give a "
            ".nemo file that NeMo saved."
        ) from error
    check_settings(parsed, TITANET, model="TitaNet", where=where)
