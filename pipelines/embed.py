r"""Embed recordings, labelled or not: checkpoint, audio -> Parquet, npz, CSV, or Kaldi's ark and scp.

Three examples, the last of a corpus that is listed as for training:
    python pipelines/embed.py checkpoint=<run>/checkpoints/best.ckpt audio=<folder>
    python pipelines/embed.py checkpoint=<run>/checkpoints/best.ckpt audio=<wav.scp> format=kaldi
    python pipelines/embed.py checkpoint=<run>/checkpoints/best.ckpt corpus=folder corpus.root=<folder> \
        corpus.split=test

Five settings that matter:
    checkpoint=<path>             a run's checkpoints/best.ckpt, or an imported one
    audio=<path>                  a folder, as deep as it is, a text of paths, a wav.scp, a table with a column path
    format=<name>                 parquet, npz, csv or kaldi
    sharding.vad=<name>           energy or silero finds the speech; sharding.trim=all cuts away the rest
    output_dir=<folder>           where stores and embeddings lie

An id is the path below the folder without its suffix, or what a list calls it. Recordings are prepared as those of the
training were where nothing else is given; what cannot be used is named. The last line printed is where the file is.
"""

from omegaconf import DictConfig

from avis import location, store
from avis.checkpoints.checkpoint import Checkpoint
from avis.embedding_file import check_format
from avis.engine.config import check_composed, fill
from avis.engine.embed import embed
from avis.engine.entry import pipeline
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import PrepareRecipe


@pipeline("embed")
def main(cfg: DictConfig) -> None:
    """Prepare the audio and embed it."""
    asked = check_composed(cfg)
    check_format(asked["format"], [])
    checkpoint = Checkpoint.open(location.absolute(asked["checkpoint"]))
    recipe = PrepareRecipe.of(fill(asked, checkpoint.recipe))
    utterances = prepare(recipe)
    file = embed(recipe, checkpoint, utterances, format=asked["format"])
    print(f"{store.open_manifest(utterances)['rows']['utterances']} embeddings\n{file}")


if __name__ == "__main__":
    main()
