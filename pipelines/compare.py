"""Compare evaluated runs with the first of them: runs -> compare.html.

python pipelines/compare.py runs=[<run>,<run>,...]

A run is a name in <output_dir>/runs, or a folder with a metrics.json. The last line printed is where the page is.
"""

import hydra
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import build
from avis.engine.config import resolve
from avis.evaluation.compare import compare


@hydra.main(config_path="../configs", config_name="compare", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Compare runs."""
    recipe = resolve(cfg)
    if not isinstance(recipe["runs"], list):
        raise ValueError(
            f"a comparison needs several runs: got runs={recipe['runs']}, expected a list. At runs. "
            "Give runs=[<run>,<run>,...]."
        )
    runs = [str(run) for run in recipe["runs"]]
    print(compare(runs, location.absolute(recipe["output_dir"]), evaluation=build(recipe["evaluation"])))


if __name__ == "__main__":
    main()
