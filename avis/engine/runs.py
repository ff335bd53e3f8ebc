"""Open the folder of a new run, or of the one to go on with, and save its configuration there."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from avis import location, store
from avis.digest import fingerprint
from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from avis.run_folder import CONFIG, check_run_name


def open_run(cfg: DictConfig) -> tuple[str, Recipe]:
    """Return the folder and the checked configuration of a new run, or of the one to go on with.

    A new run has a name of its own and never continues another; ``resume=<run>`` goes on with an old one, under the
    configuration it was started with.

    Raises
    ------
    ValueError
        If a run of that name exists already, or there is none to resume, or the resumed one is to be changed.
    """
    plain = resolve(cfg)
    runs = location.join(location.absolute(plain["output_dir"]), "runs")
    if plain["resume"] is not None:
        return _resume(location.join(runs, check_run_name("resume", str(plain["resume"]))), plain)
    unnamed = f"{time.strftime('%Y%m%d-%H%M%S')}-{fingerprint(plain)[:6]}"
    name = unnamed if plain["run"] is None else check_run_name("run", str(plain["run"]))
    run_dir = location.join(runs, name)
    config = location.join(run_dir, CONFIG)
    if location.exists(config):
        raise ValueError(
            f"run exists: got run={name}, expected a new name. At {run_dir}. "
            f"Choose another name, or go on with that run by resume={name}."
        )
    return run_dir, Recipe.of(plain)


def save_run(run_dir: str, recipe: Recipe, utterances: str) -> None:
    """Save a run's configuration and store with it; from then on its name is taken and it can be resumed.

    Raises
    ------
    ValueError
        If a resumed run was started on another store.
    """
    config = location.join(run_dir, CONFIG)
    if not location.exists(config):
        store.write_json(config, {**recipe.plain, "utterances": utterances})
        return
    trained_on = store.read_json(config)["utterances"]
    if os.path.basename(trained_on) != os.path.basename(utterances):
        raise ValueError(
            f"audio changed: got utterances={utterances}, expected {trained_on}. At {run_dir}. "
            "A run goes on with the files it was started on; put them back, or start another run."
        )


@contextmanager
def resumable(run_dir: str) -> Iterator[None]:
    """Say on Ctrl-C within how the run goes on.

    Raises
    ------
    KeyboardInterrupt
        With that message.
    """
    try:
        yield
    except KeyboardInterrupt:
        name = os.path.basename(location.split_query(run_dir)[0])
        raise KeyboardInterrupt(f"stopped: resume={name} goes on with what is finished. At {run_dir}.") from None


def _resume(run_dir: str, asked: Mapping[str, Any]) -> tuple[str, Recipe]:
    config = location.join(run_dir, CONFIG)
    if not location.exists(config):
        raise ValueError(
            f"no run to resume: got resume={asked['resume']}, expected the name of a run. At {run_dir}. "
            "Give the name of a folder in <output_dir>/runs."
        )
    overrides = HydraConfig.get().overrides.task
    changes = [
        change for change in overrides if not change.startswith(("resume=", "output_dir=", "compute", "verbose="))
    ]
    if changes:
        raise ValueError(
            f"resumed run changed: got {' '.join(changes)}, expected nothing beside resume, output_dir, compute and "
            f"verbose. At {run_dir}. A run goes on as it was started; start another one to change it."
        )
    saved = store.read_json(config)
    compute = asked["compute"] if any(change.startswith("compute") for change in overrides) else saved["compute"]
    return run_dir, Recipe.of({**saved, "output_dir": asked["output_dir"], "compute": compute})
