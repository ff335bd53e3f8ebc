"""What the tests of several stages make and look at."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.recipe import Recipe
from avis.engine.runs import save_run
from avis.engine.score import score
from avis.engine.train import trained
from avis.engine.verifier import BY_DURATION, leave_verifier
from avis.evaluation.evaluate import evaluate
from tests.compositions import composed_with_hydra

SAMPLE_RATE = 16000
NUM_SAMPLES = 9600
CALIBRATION = {**BY_DURATION.plain, "model": {**BY_DURATION.plain["model"], "measures": ["duration", "magnitude"]}}


@pytest.fixture(scope="session")
def speakers_folder() -> Callable[..., Path]:
    """Return what writes noise as ``<root>/s<speaker>/a/<number>.wav``: ``speakers_folder(root, num_speakers=4)``."""

    def made(root: Path, *, num_speakers: int, num_files: int = 2) -> Path:
        for speaker in range(num_speakers):
            folder = root / f"s{speaker}" / "a"
            folder.mkdir(parents=True)
            for number in range(num_files):
                noise = np.random.default_rng(10 * speaker + number).uniform(-0.3, 0.3, NUM_SAMPLES)
                sf.write(folder / f"{number}.wav", noise, SAMPLE_RATE)
        return root

    return made


@pytest.fixture(scope="session")
def bytes_below() -> Callable[[str], dict[str, bytes]]:
    """Return what reads all files of a folder."""

    def read(uri: str) -> dict[str, bytes]:
        folder = Path(uri)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Return what composes a configuration as a pipeline does, Hydra's own part included."""

    def compose_with(*overrides: str, name: str = "train") -> DictConfig:
        cfg = composed_with_hydra(name, *overrides)
        HydraConfig.instance().set_config(cfg)
        return DictConfig({key: value for key, value in cfg.items_ex(resolve=False) if key != "hydra"}, parent=None)

    yield compose_with
    HydraConfig.instance().cfg = None


@pytest.fixture
def checkpoint(tiny_run: str, tmp_path: Path) -> Checkpoint:
    """Return a copy of the tiny run's checkpoint, in a folder of its own."""
    return Checkpoint.open(shutil.copy(best_checkpoint(tiny_run), str(tmp_path / "best.ckpt")))


@pytest.fixture(scope="session")
def finished_run(tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a run that was scored with a calibration, evaluated, and left a verifier; to be read only.

    It lies in ``runs`` of outputs of its own.
    """
    outputs = str(tmp_path_factory.mktemp("finished"))
    run_dir, recipe = f"{outputs}/runs/tiny", tiny_recipe.changed({"output_dir": outputs, "calibration": CALIBRATION})
    shutil.copytree(tiny_run, run_dir)
    save_run(run_dir, recipe, tiny_store)
    checkpoint = trained(recipe, run_dir)
    scores = score(recipe, checkpoint, tiny_store, run_dir)
    evaluate(scores, run_dir, facts={}, evaluation=recipe.evaluation)
    leave_verifier(recipe, checkpoint, tiny_store, run_dir)
    return run_dir
