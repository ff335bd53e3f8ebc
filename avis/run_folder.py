"""The name of a run, and names of what lies in its folder."""

import re

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
METRICS, REPORT = "metrics.json", "report.html"
VERIFIER = "verifier"
EXPLANATIONS, INDEX_PAGE = "explanations", "index.html"
"""Pages that explain trials, in a folder for each list, with one that leads to them."""
RAY_LOG = "ray.log"
TRAINING_REPORT, EVENTS = "training.html", "events.jsonl"
CSV, TENSORBOARD, PROFILE = "csv", "tensorboard", "profile"
LOGS = (CSV, TENSORBOARD, PROFILE)
TRACKED = "tracked.json"
"""What the run is known by at MLflow or Weights & Biases."""
RAY_TRAIN = "ray_train"

MOST_BYTES = 200
"""Of a name; file systems allow little more."""

UNFIT = re.compile(r"[/?\x00-\x1f\x7f]|^[-.~]|^\s|\s$|^$")
"""What would lead out of the folder of all runs, or hide a run there, or be taken for an option or a query."""


def check_run_name(key: str, name: str) -> str:
    """Return a name that was given for a run under a key.

    Raises
    ------
    ValueError
        If it cannot be the name of a folder, or could be taken for something else.
    """
    if UNFIT.search(name) or len(name.encode()) > MOST_BYTES:
        raise ValueError(
            f"unfit name of a run: got {key}={name!r:.{MOST_BYTES}}, expected the name of a folder in "
            f"<output_dir>/runs: at most {MOST_BYTES} bytes, without / and ?, not beginning with - . ~ or a blank. "
            f"At {key}. Give another name."
        )
    return name
