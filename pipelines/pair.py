r"""Make a trial list of the utterances of a corpus: utterances -> Parquet list.

Three examples; the other pipelines that take trials make the same list by the same words, without a file:
    python pipelines/pair.py
    python pipelines/pair.py pairing=cross_session corpus=folder corpus.root=<folder> corpus.split=test
    python pipelines/pair.py pairing=same_gender corpus=folder corpus.root=<folder> corpus.split=test \
        trials.same_gender.max_target=10000

Five settings that matter:
    pairing=<choice>                     all_pairs, cross_session, same_gender or identification
    corpus=<choice>                      layout of the recordings
    trials.<pairing>.max_target=<n>      most trials of one speaker in the list; max_nontarget: of two
    trials.<pairing>.seed=<n>            of the draw where there are more
    output_dir=<folder>                  the list is written to trials/<pairing>.parquet in it
"""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import DictConfig

from avis import location, store
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import PairRecipe
from avis.engine.trials.lists import read_index
from avis.structured_log import LOG


@pipeline("pair")
def main(cfg: DictConfig) -> None:
    """Make the lists and say where they are."""
    recipe = PairRecipe.of(resolve(cfg))
    index = read_index(prepare(recipe))
    LOG.stage = "pair"
    for name, pairing in recipe.pairings.items():
        trials = pairing.build().pairs(index)
        sink = pa.BufferOutputStream()
        pq.write_table(trials, sink, compression="zstd")
        path = location.join(recipe.output_dir, "trials", f"{name}.parquet")
        store.write_bytes(path, sink.getvalue())
        num_target, num_unknown = pc.sum(trials["target"]).as_py() or 0, trials["target"].null_count
        unknown = f", {num_unknown} trials without answers" if num_unknown else ""
        print(f"{num_target} target, {len(trials) - num_target - num_unknown} non-target trials{unknown}: {path}")


if __name__ == "__main__":
    main()
