"""Write embeddings of recordings as one file."""

import io
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avis import location, store
from avis.schema import embeddings_schema
from avis.verifier.embedder import Voiceprint

SUFFIXES = (".npz", ".parquet")


def check_suffix(file: str) -> None:
    """Refuse a file that would be of another kind."""
    if not file.endswith(SUFFIXES):
        raise ValueError(
            f"unknown kind of file: got {file}, expected {' or '.join(SUFFIXES)}. At --out. Name it so, or let "
            "pipelines/embed.py write CSV or Kaldi's."
        )


def write_embedding_file(file: str, voiceprints: Mapping[str, Voiceprint | Exception]) -> tuple[int, dict[str, str]]:
    """Write the embeddings of recordings under their paths.

    Parameters
    ----------
    file : str
        ``.npz``: arrays ``utt_ids`` [utterances] and ``embeddings`` [utterances, dim]; ``.parquet``: columns
        ``utt_id`` and ``embedding``.
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
        If the file would be of another kind, or there is none to write.
    """
    check_suffix(file)
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
    vectors = np.stack(list(kept.values()))
    buffer = io.BytesIO()
    if file.endswith(".npz"):
        np.savez(buffer, utt_ids=np.array(list(kept)), embeddings=vectors)
    else:
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        schema = embeddings_schema(vectors.shape[1])
        pq.write_table(pa.Table.from_arrays([pa.array(list(kept)), column], schema=schema), buffer)
    store.write_bytes(location.absolute(file), buffer.getvalue())
    return len(kept), left_out
