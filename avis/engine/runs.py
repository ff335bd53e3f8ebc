"""Open the folder of a new run, or of the one to go on with, and save its configuration there."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from avis import location, store
from avis.checkpoints.components import TARGET
from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoints
from avis.digest import fingerprint
from avis.engine.claim import claimed
from avis.engine.config import moved_to, resolve
from avis.engine.recipe import Recipe
from avis.engine.workers.stopping import STOPPING, TIME_LIMIT
from avis.run_folder import CONFIG, EVENTS, LOGS, RAY_TRAIN, TRACKED, check_run_name
from avis.starting import how_to_start
from avis.structured_log import LOG

STARTED_ON = "utterances"
"""In a run's configuration: the store that it was started on."""
CHANGEABLE = ("resume=", "output_dir=", "compute", "verbose=", "log=", f"{TIME_LIMIT}=")
"""What may be said of a run that is gone on with; all else is as it was started."""


@contextmanager
def open_run(cfg: DictConfig) -> Iterator[tuple[str, Recipe]]:
    """Give the folder and the checked configuration of a new run, or of the one to go on with, to this process alone.

    A new run never continues another: its name is taken from the start, and stays so once something was trained.
    ``resume=<run>`` goes on with an old one, under the configuration it was started with. On Ctrl-C, and whatever else
    tells it to stop, the run says how it goes on.

    Raises
    ------
    ValueError
        If a run of that name was trained already, or there is none to resume, or the resumed one is to be changed, or
        another process works on it, or its logger has nowhere to log to.
    ImportError
        If its logger's package is missing.
    KeyboardInterrupt
        If it was told to stop, with that message.
    """
    plain = resolve(cfg)
    runs = location.join(location.absolute(plain["output_dir"]), "runs")
    if plain["resume"] is not None:
        name = check_run_name("resume", str(plain["resume"]))
        run_dir = location.join(runs, name)
        recipe = _resumed(run_dir, plain)
    else:
        unnamed = f"{time.strftime('%Y%m%d-%H%M%S')}-{fingerprint(plain)[:6]}"
        name = unnamed if plain["run"] is None else check_run_name("run", str(plain["run"]))
        run_dir, recipe = location.join(runs, name), Recipe.of(plain)
    recipe.logger.check(recipe.output_dir)
    with claimed(run_dir, resumed=plain["resume"] is not None):
        if plain["resume"] is None:
            _check_free(run_dir)
        LOG.run = name
        try:
            yield run_dir, recipe
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(_how_to_go_on(run_dir, str(interrupt))) from None


def started_on(recipe: Recipe) -> str | None:
    """Return the store that a resumed run was started on, if it is still there: it holds all audio that the run needs.

    It is looked for in the outputs, wherever they are now, and where it was.
    """
    saved = recipe.plain.get(STARTED_ON)
    if saved is None:
        return None
    name = os.path.basename(location.split_query(saved)[0])
    places = [location.join(recipe.output_dir, "stores", name), location.join(recipe.output_dir, saved)]
    return next((place for place in places if location.exists(location.join(place, store.MANIFEST))), None)


def save_run(run_dir: str, recipe: Recipe, utterances: str) -> None:
    """Save a new run's configuration and store with it; from then on it can be resumed.

    Raises
    ------
    ValueError
        If a resumed run was started on another store.
    """
    saved = recipe.plain.get(STARTED_ON)
    if saved is None:
        below = location.below(utterances, recipe.output_dir)
        store.write_json(location.join(run_dir, CONFIG), {**recipe.plain, STARTED_ON: below})
    elif os.path.basename(location.split_query(saved)[0]) != os.path.basename(location.split_query(utterances)[0]):
        raise ValueError(
            f"audio changed: got utterances={utterances}, expected {saved}, which is gone. At {run_dir}. "
            "A run goes on with the files it was started on; put them or that store back, or start another run."
        )


def _check_free(run_dir: str) -> None:
    """Refuse the name of a run that was trained; of one that was not, remove what it left."""
    name = os.path.basename(location.split_query(run_dir)[0])
    if last_checkpoints(run_dir) or location.exists(best_checkpoint(run_dir)):
        raise ValueError(
            f"run exists: got run={name}, expected a new name. At {run_dir}. "
            f"Choose another name, or go on with that run by resume={name}."
        )
    for left in (*LOGS, RAY_TRAIN):
        system, folder = location.filesystem(location.join(run_dir, left))
        with contextlib.suppress(FileNotFoundError):
            system.delete_dir(folder)
    for left in (EVENTS, TRACKED):
        store.delete_file(location.join(run_dir, left))


def _how_to_go_on(run_dir: str, said: str) -> str:
    """Return what to say when a run is told to stop: as long as it has no configuration yet, it is begun anew."""
    by = f" by {STOPPING.told_by}" if STOPPING.told_by else ""
    if not location.exists(location.join(run_dir, CONFIG)):
        return said or f"stopped{by}: nothing was trained yet. At {run_dir}. Run the same command again."
    name = os.path.basename(location.split_query(run_dir)[0])
    given = HydraConfig.get().overrides.task
    again = ("output_dir=", "compute") if any(override.startswith("resume=") for override in given) else "output_dir="
    go_on = how_to_start("train", f"resume={name}", *(override for override in given if override.startswith(again)))
    return f"stopped{by}: what is finished is kept. At {run_dir}. Go on with: {go_on}"


def _resumed(run_dir: str, asked: Mapping[str, Any]) -> Recipe:
    config = location.join(run_dir, CONFIG)
    if not location.exists(config):
        raise ValueError(
            f"no run to resume: got resume={asked['resume']}, expected the name of a run. At {run_dir}. "
            "Give the name of a folder in <output_dir>/runs."
        )
    overrides = HydraConfig.get().overrides.task
    changes = [change for change in overrides if not change.startswith(CHANGEABLE)]
    if changes:
        raise ValueError(
            f"resumed run changed: got {' '.join(changes)}, expected nothing beside resume, output_dir, compute, "
            f"{TIME_LIMIT}, verbose and log. At {run_dir}. A run goes on as it was started; start another one to "
            "change it."
        )
    saved = moved_to(asked["output_dir"], store.read_json(config))
    given = {key: {**asked[key], **value} for key, value in saved.items() if _of_one_kind(value, asked.get(key))}
    saved = {**saved, **given}
    saved["compute"] = resumed_compute(saved["compute"], asked["compute"], overrides)
    if any(change.startswith(TIME_LIMIT) for change in overrides):
        saved["trainer"]["max_minutes"] = asked["trainer"]["max_minutes"]
    return Recipe.of(saved)


def resumed_compute(saved: Mapping[str, Any], asked: Mapping[str, Any], overrides: Sequence[str]) -> Mapping[str, Any]:
    """Return the compute of a run that is gone on with: its own but for what is said, or what ``compute=`` chooses."""
    said = set[str]()
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group, _, name = override.key_or_group.partition(".")
        if group != "compute":
            continue
        value = override.value()
        if name:
            said.add(name)
        elif isinstance(value, dict):
            said.update(map(str, value))
        else:
            saved = asked
    return {**saved, **{name: asked[name] for name in said}}


def _of_one_kind(saved: Any, asked: Any) -> bool:
    """Tell whether a saved group may lack keys that an earlier version did not know, which are today's then."""
    return (
        isinstance(saved, dict) and isinstance(asked, dict) and TARGET in saved and saved[TARGET] == asked.get(TARGET)
    )
