"""Decode, check and shard corpora: audio files -> utterances store.

python pipelines/prepare.py corpus=folder corpus.root=<folder>
"""

import hydra
from omegaconf import DictConfig

from avis import store
from avis.engine.config import resolve
from avis.engine.prepare import prepare
from avis.engine.recipe import PrepareRecipe


@hydra.main(config_path="../configs", config_name="prepare", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Make the store and say where it is."""
    utterances = prepare(PrepareRecipe.of(resolve(cfg)))
    rows = store.open_manifest(utterances)["rows"]
    print(f"{rows['utterances']} utterances, {rows['rejects']} rejects: {utterances}")


if __name__ == "__main__":
    main()
