"""What the manifest of a gallery says, and whether it is one."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, NonNegativeInt

from avis import location, store
from avis.foreign import check_manifest, parse_json, validated

MANIFEST = "manifest.json"
MOST_VALUES = 1 << 16
"""Of an embedding."""


class Manifest(BaseModel, extra="forbid", frozen=True):
    """What ``manifest.json`` holds.

    Attributes
    ----------
    model : str
        Digest of the checkpoint that the embeddings are of.
    verifier : str
        Where the verifier lies that was used last.
    dim : int
        Of the embeddings.
    keep_audio : bool
        Whether recordings are kept beside their embeddings.
    rows, files : dict
        Recordings in all, and each part's rows, bytes and sum.
    """

    format: Literal[1] = 1
    model: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    verifier: str
    dim: Annotated[int, Field(ge=1, le=MOST_VALUES)]
    keep_audio: bool
    rows: dict[str, NonNegativeInt]
    files: dict[str, dict[str, Any]]

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Rows and bytes of the parts, by their names."""
        return {store.part_of(file): info for file, info in self.files.items()}


def read_manifest(folder: str) -> Manifest | None:
    """Return the manifest of a gallery; None where there is none.

    Raises
    ------
    ValueError
        If it is that of something else.
    """
    uri = location.join(folder, MANIFEST)
    return parsed_manifest(manifest_bytes(uri), uri)


def manifest_bytes(uri: str) -> bytes | None:
    """Return what the file of a manifest holds; None where there is none."""
    try:
        return location.read_bytes(uri)
    except FileNotFoundError:
        return None


def parsed_manifest(data: bytes | None, uri: str) -> Manifest | None:
    """Return the manifest that a file holds; None where there is no file."""
    if data is None:
        return None
    plain = parse_json(data, uri)
    check_manifest(plain, uri)
    return validated(Manifest, plain, what="no gallery", where=uri, advice="Give another folder.")
