"""Fixtures that several packages share."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.compositions import composed

if TYPE_CHECKING:
    from avis.engine.recipe import Recipe
    from avis.inspection.suspects import Rules

os.environ.setdefault("HYDRA_FULL_ERROR", "1")
os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models are slower on more
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}  # never anybody's own; workers inherit them
DEVELOPMENT_DATA = "AVIS_SHARED"
OBJECT_STORE_BYTES = 200_000_000
IN_ONE_PROCESS = ["ray_session", "main_job", "tiny_run", "composed", "outcomes", "help_of"]
"""Fixtures that take long to make: where there are several processes, the tests of each run in one of them."""

TINY_CORPUS = [
    "corpus.sources.synthetic.num_train_speakers=6",
    "corpus.sources.synthetic.num_test_speakers=4",
    "corpus.sources.synthetic.num_sessions=2",
    "corpus.sources.synthetic.num_utterances=2",
    "corpus.sources.synthetic.duration_s=1.5",
]
TINY_SHARDING = ["sharding.num_validation_speakers=2"]
TINY_TRAINING = [
    "model.channels=16",
    "model.mfa_channels=24",
    "model.pooling.attention_channels=8",
    "model.se_channels=8",
    "model.embedding_dim=16",
    "seed=2",  # of which so small a model tells anybody apart
    "trainer.num_epochs=2",
    "trainer.passes_per_epoch=1",
    "trainer.batch_size=4",
    "trainer.crop_s=1.0",
    "trainer.precision=32-true",  # whatever the machine computes in
    "trainer.babble_utterances=4",
    "augment.noise_bank.num=4",
    "augment.noise_bank.duration_s=2.0",
    "augment.rir_bank.num=4",
    "compute.max_restarts=0",
]


@pytest.hookimpl(tryfirst=True)  # before pytest looks for slow ones and pytest-xdist for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but a few cases of tests whose few stand for all; then put together what shares a fixture."""
    num_drawn: Counter[str] = Counter()
    for item in sorted(items, key=lambda item: hashlib.sha256(item.nodeid.encode()).digest()):
        few, name = item.get_closest_marker("few"), item.nodeid.partition("[")[0]
        if few and not item.get_closest_marker("slow"):
            num_drawn[name] += 1
            if num_drawn[name] > few.args[0]:
                item.add_marker("slow")
    for item in items:
        group = next((name for name in IN_ONE_PROCESS if name in getattr(item, "fixturenames", [])), None)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: group_of(item) or "~")


def group_of(item: pytest.Item | None) -> str | None:
    """Return the fixture for whose sake a test runs in one process with others."""
    marker = item and item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End Ray, and what is served on it, after the last test that needs it: idle it takes a third of a core."""
    yield
    if nextitem and group_of(item) == "ray_session" != group_of(nextitem):
        for ray_session in item.session._fixturemanager.getfixturedefs("ray_session", item) or ():
            ray_session.finish(item._request)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of development recordings (speech/, noise/, rir/), or skip."""
    folder = Path(os.environ.get(DEVELOPMENT_DATA, Path(__file__).parents[2] / "shared"))
    if not (folder / "speech").is_dir():
        pytest.skip(f"no development recordings: set {DEVELOPMENT_DATA} to their folder")
    return folder


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Start the one Ray of this test run."""
    import ray

    from avis.engine.workers.process_setup import RUNTIME_ENV, setup

    setup()
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        runtime_env=RUNTIME_ENV,
    )
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try storage that fails again at once."""
    from avis import storage_fault

    monkeypatch.setattr(storage_fault, "FIRST_WAIT_S", 0.0)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Serve S3 on this machine; return the query of URIs ``s3://speech/...`` that lead there."""
    from moto.server import ThreadedMotoServer

    from avis import location

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    query = f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    system, _ = location.filesystem(f"s3://speech{query}&allow_bucket_creation=true")
    system.create_dir("speech")
    yield query
    server.stop()


@pytest.fixture(scope="session")
def rules() -> "Rules":
    """Return by what an inspection calls recordings and speakers odd, a few of which are named."""
    from avis.inspection.suspects import Rules

    return Rules(
        min_utterances=3,
        quiet_dbfs=-50.0,
        clipped_ratio=0.01,
        narrow_hz=4200.0,
        mixed_share=0.25,
        max_silence_share=0.8,
        num_examples=2,
    )


@pytest.fixture(scope="session")
def tiny() -> dict[str, list[str]]:
    """Return, for each pipeline, the overrides that make its run tiny."""
    return {
        "prepare": TINY_CORPUS + TINY_SHARDING,
        "train": TINY_CORPUS + TINY_SHARDING + TINY_TRAINING,
    }


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, list[str]]) -> Callable[..., Any]:
    """Return what composes a tiny recipe that runs in this process: ``recipe("trainer.num_epochs=3")``.

    With ``name="prepare"`` it is a `PrepareRecipe`. All recipes share the files of one synthetic corpus; ``output_dir``
    is theirs to choose.
    """
    from avis.engine.config import resolve
    from avis.engine.prepare_recipe import PrepareRecipe
    from avis.engine.recipe import Recipe

    root = tmp_path_factory.mktemp("synthetic")

    def tiny_recipe_of(*overrides: str, name: str = "train", corpus: str = "synthetic") -> PrepareRecipe:
        of_corpus = [*TINY_CORPUS, f"corpus.sources.synthetic.root={root}"] if corpus == "synthetic" else []
        others = [override for override in tiny[name] if override not in TINY_CORPUS]
        cfg = composed(name, f"corpus={corpus}", "compute=debug", *of_corpus, *others, *overrides)
        return {"train": Recipe, "prepare": PrepareRecipe}[name].of(resolve(cfg))

    return tiny_recipe_of


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory, recipe: Callable[..., "Recipe"]) -> "Recipe":
    """Return the recipe of `tiny_store` and `tiny_run`."""
    return recipe(f"output_dir={tmp_path_factory.mktemp('outputs')}")


@pytest.fixture(scope="session")
def tiny_store(tiny_recipe: "Recipe") -> str:
    """Return a finished utterances store, to be read only."""
    from avis.engine.prepare import prepare

    return prepare(tiny_recipe)


@pytest.fixture(scope="session")
def tiny_run(tiny_recipe: "Recipe", tiny_store: str) -> str:
    """Return the folder of a run trained in this process, to be read only."""
    from avis.engine.train import train

    run_dir = f"{tiny_recipe.output_dir}/runs/tiny"
    train(tiny_recipe, tiny_store, run_dir)
    return run_dir
