"""Embed recordings with a checkpoint, for use elsewhere."""

import pyarrow as pa

from avis import location, store
from avis.checkpoints.checkpoint import Checkpoint
from avis.embedding_file import WRITERS, check_format, write_embeddings
from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.scoring_settings import MAX_WINDOW_S
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.vectors import embedding_matrix
from avis.schema import REJECTS
from avis.structured_log import LOG

REJECTS_SHOWN = 5


def embed(recipe: PrepareRecipe, checkpoint: Checkpoint, utterances: str, *, format: str) -> str:
    """Write the embeddings of all utterances of a store as one file, unless it is there, and return where.

    An id has the name of its corpus in front only where the store is of several. What could not be used is said.

    Parameters
    ----------
    recipe : PrepareRecipe
    checkpoint : Checkpoint
    utterances : str
        URI of the store.
    format : str
        See `avis.embedding_file.write_embeddings`.

    Raises
    ------
    ValueError
        If there is no utterance, or the format is unknown or cannot hold an id.
    """
    LOG.stage = "embed"
    index = store.read_table(utterances, "utterances", columns=["utt_id", "corpus"]).sort_by("utt_id")
    _say_rejects(utterances)
    if not len(index):
        raise ValueError(
            f"nothing to embed: got no utterance, expected some. At {utterances}/rejects. Mend the recordings."
        )
    names = _names(index)
    check_format(format, names)
    made_with_it = location.join(recipe.output_dir, "embedded", checkpoint.digest[:12])
    name = location.stem(utterances)
    if location.exists(file := location.join(made_with_it, f"{name}.{WRITERS[format][0]}")):
        return file
    max_window_s = recipe.plain.get("max_window_s") or MAX_WINDOW_S
    embedder = StoreEmbedder(checkpoint, utterances, made_with_it, recipe.compute, max_window_s)
    embedded = embedder.embed(index["utt_id"].combine_chunks(), label="embed")
    assert embedded["utt_id"].equals(index["utt_id"]), "every utterance once, sorted"
    return write_embeddings(names, embedding_matrix(embedded), made_with_it, name, format=format)


def _names(index: pa.Table) -> list[str]:
    """Return the ids, without the name of the corpus where there is one."""
    ids, corpora = index["utt_id"].to_pylist(), index["corpus"].unique().to_pylist()
    return ids if len(corpora) > 1 else [name.removeprefix(f"{corpora[0]}/") for name in ids]


def _say_rejects(utterances: str) -> None:
    uris = store.part_uris(utterances, "rejects")
    rejects = pa.concat_tables([REJECTS.empty_table(), *(store.open_part(uri).read() for uri in uris)])
    if not len(rejects):
        return
    reasons = ", ".join(f"{row['counts']} {row['values']}" for row in rejects["reason"].value_counts().to_pylist())
    print(f"{len(rejects)} recordings could not be used ({reasons}), see {utterances}/rejects:")
    for row in rejects.slice(0, REJECTS_SHOWN).to_pylist():
        print(f"  {row['path']}: {row['detail']}", flush=True)
