"""Write embeddings of recordings as one file."""

import io
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avis import location, store
from avis.schema import embeddings_schema
from avis.verifier.verifier import Voiceprint

NO_VOICE = "too little speech for an embedding"
SUFFIXES = (".npz", ".parquet")


def write_embedding_file(file: str, voiceprints: Mapping[str, Voiceprint | ValueError]) -> tuple[int, dict[str, str]]:
    """Write the embeddings of recordings under their paths.

    Parameters
    ----------
    file : str
        ``.npz``: arrays ``utt_ids`` [utterances] and ``embeddings`` [utterances, dim]; ``.parquet``: columns
        ``utt_id`` and ``embedding``.
    voiceprints : mapping of str to Voiceprint or ValueError
        See `avis.verifier.verifier.Verifier.embed_files`.

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
    if not file.endswith(SUFFIXES):
        raise ValueError(
            f"unknown kind of file: got {file}, expected {' or '.join(SUFFIXES)}. At --out. Name it so, or let "
            "pipelines/embed.py write CSV or Kaldi's."
        )
    left_out = {path: str(made) for path, made in voiceprints.items() if isinstance(made, ValueError)}
    kept = {}
    for path, made in voiceprints.items():
        if isinstance(made, Voiceprint):
            if made.embedding is None:
                left_out[path] = NO_VOICE
            else:
                kept[path] = made.embedding
    if not kept:
        raise ValueError(f"nothing to write: got no recording with a voice ({left_out}), expected one. At {file}.")
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
