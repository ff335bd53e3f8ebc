"""Error rates, plots and a report of scores: scores -> metrics.json, PNGs, report.html.

python pipelines/evaluate.py scores=<scores table, Parquet file, or text file with lines "label score" or
    "enroll test label score">
python pipelines/evaluate.py scores=<path> baseline=<scores of another system on the same trials>
python pipelines/evaluate.py scores=<path> evaluation.subgroups=[<column>,...]
"""

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from avis import location
from avis.engine.config import resolve
from avis.engine.evaluate import evaluate, show
from avis.engine.reporting import known_origin


@hydra.main(config_path="../configs", config_name="evaluate", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Evaluate one set of scores."""
    recipe = resolve(cfg)
    evaluation = instantiate(recipe["evaluation"])
    scores = location.absolute(recipe["scores"])
    name = location.stem(scores)
    out = location.join(location.absolute(recipe["output_dir"]), "evaluated", name)
    baseline = recipe["baseline"] and location.absolute(recipe["baseline"])
    facts = known_origin(scores) | ({"baseline": baseline} if baseline else {})
    show(evaluate({name: scores}, out, facts=facts, evaluation=evaluation, baseline=baseline))


if __name__ == "__main__":
    main()
