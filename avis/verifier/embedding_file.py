"""Write embeddings of recordings as one file."""

import posixpath
from collections.abc import Collection, Mapping

import numpy as np

from avis import location
from avis.embedding_file import check_format, write_embeddings
from avis.verifier.embedder import Voiceprint

FORMATS = {".npz": "npz", ".parquet": "parquet", ".csv": "csv", ".ark": "kaldi"}
"""By the end of a file's name; see `avis.embedding_file.write_embeddings`."""


def check_embedding_file(file: str, paths: Collection[str]) -> None:
    """Raise ValueError where a file would be of another kind, or cannot hold the paths of recordings as ids."""
    if _suffix(file) not in FORMATS:
        raise ValueError(
            f"unknown kind of file: got {file}, expected one that ends in {', '.join(FORMATS)}. At --out. Name it so."
        )
    check_format(FORMATS[_suffix(file)], list(paths))


def write_embedding_file(file: str, voiceprints: Mapping[str, Voiceprint | Exception]) -> tuple[int, dict[str, str]]:
    """Write the embeddings of recordings under their paths.

    Parameters
    ----------
    file : str
        Path or URI, whose end says which format; beside an ``.ark`` goes an ``.scp`` of the same name.
    voiceprints : mapping of str to Voiceprint or Exception
        See `avis.verifier.embedder.Embedder.embed_files`.

    Returns
    -------
    kept : int
    left_out : dict of str to str
        What has no embedding, and why.

    Raises
    ------
    ValueError
        If the file would be of another kind, or cannot hold an id, or there is none to write.
    """
    check_embedding_file(file, voiceprints)
    kept, left_out = {}, {}
    for path, made in voiceprints.items():
        if isinstance(made, Exception):
            left_out[path] = str(made)
        elif made.embedding is None:
            left_out[path] = made.unheard or ""
        else:
            kept[path] = made.embedding
    if not kept:
        path, why = next(iter(left_out.items()))
        raise ValueError(
            f"nothing to write: got no recording with a voice, expected one. At {path}, for one: {why}. Give others."
        )
    vectors, whole = np.stack(list(kept.values())), location.absolute(file)
    folder, name = location.parent(whole), location.stem(whole)
    write_embeddings(list(kept), vectors, folder, name, format=FORMATS[_suffix(file)])
    return len(kept), left_out


def _suffix(file: str) -> str:
    return posixpath.splitext(location.split_query(file)[0])[1]
