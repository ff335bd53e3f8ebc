"""Say what is in a store, what is odd about it and what leaks: utterances -> inspect.html, inspect.json.

Three examples:
    python pipelines/inspect_store.py store=<store>
    python pipelines/inspect_store.py store=<store> trials=<list>
    python pipelines/inspect_store.py store=<store> rules.min_utterances=5

Five settings that matter:
    store=<store>               as prepare prints it
    trials=<list>               whose speakers, sessions and audio must not be trained on
    enrolments=<table>          the models that the list names, where it names models
    rules.min_utterances=<n>    of a speaker; the other rules of what is suspicious stand beside it
    output_dir=<folder>         where the page goes

The last line printed is where the page is.
"""

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import build
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.inspection.findings import PAGE, inspect_store, show


@pipeline("inspect_store")
def main(cfg: DictConfig) -> None:
    """Inspect one store."""
    settings = resolve(cfg)
    uri, trials, enrolments = location.absolute(settings["store"]), settings["trials"] or {}, settings["enrolments"]
    if isinstance(trials, str):
        trials = {location.stem(trials): trials}
    out = location.join(location.absolute(settings["output_dir"]), "inspected", location.stem(uri))
    result = inspect_store(
        uri,
        out,
        rules=build(settings["rules"]),
        trials={name: location.absolute(path) for name, path in trials.items()},
        enrolments=enrolments and location.absolute(enrolments),
    )
    show(result)
    print(location.join(out, PAGE))


if __name__ == "__main__":
    main()
