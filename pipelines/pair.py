r"""Make a trial list of the utterances of a corpus: utterances -> Parquet list.

python pipelines/pair.py pairing=cross_session corpus=folder corpus.root=<folder> corpus.split=test \
        trials.cross_session.max_target=10000

The other pipelines that take trials make the same list by the same words, without a file.
"""

import hydra
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import DictConfig

from avis import location, store
from avis.engine.config import resolve
from avis.engine.prepare import prepare
from avis.engine.recipe import PairRecipe
from avis.engine.trials.lists import read_index


@hydra.main(config_path="../configs", config_name="pair", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Make the lists and say where they are."""
    recipe = PairRecipe.of(resolve(cfg))
    index = read_index(prepare(recipe))
    for name, pairing in recipe.pairings.items():
        trials = pairing.build().pairs(index)
        sink = pa.BufferOutputStream()
        pq.write_table(trials, sink, compression="zstd")
        path = location.join(recipe.output_dir, "trials", f"{name}.parquet")
        store.write_bytes(path, sink.getvalue())
        num_target = pc.sum(trials["target"]).as_py()
        print(f"{num_target} target, {len(trials) - num_target} non-target trials: {path}")


if __name__ == "__main__":
    main()
