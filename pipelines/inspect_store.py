"""Say what is in a store, what is odd about it and what leaks: utterances -> inspect.html, inspect.json.

python pipelines/inspect_store.py store=<store>
python pipelines/inspect_store.py store=<store> trials=<list>

The last line printed is where the page is.
"""

import hydra
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import build
from avis.engine.config import resolve
from avis.inspection.findings import PAGE, inspect_store, show


@hydra.main(config_path="../configs", config_name="inspect_store", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Inspect one store."""
    recipe = resolve(cfg)
    uri, trials, enrolments = location.absolute(recipe["store"]), recipe["trials"] or {}, recipe["enrolments"]
    if isinstance(trials, str):
        trials = {location.stem(trials): trials}
    out = location.join(location.absolute(recipe["output_dir"]), "inspected", location.stem(uri))
    result = inspect_store(
        uri,
        out,
        rules=build(recipe["rules"]),
        trials={name: location.absolute(path) for name, path in trials.items()},
        enrolments=enrolments and location.absolute(enrolments),
    )
    show(result)
    print(location.join(out, PAGE))


if __name__ == "__main__":
    main()
