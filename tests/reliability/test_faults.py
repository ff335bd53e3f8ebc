"""Storage that fails by script, at each stage: the same bytes as without, or a clear stop after which they come."""

import errno
import hashlib
import itertools
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from avis import location, storage_fault, store, through_fsspec
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoint
from avis.engine import prepare as engine
from avis.engine.entry import is_users
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.train import train
from avis.evaluation.evaluate import evaluate

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
SAME, STOPS = "same bytes", "stops clearly; again: same bytes"

Fails = Callable[[str, int], str | None]
"""Of a kind of operation and its number, how it fails, if it does."""


class Script:
    """What goes wrong, operation by operation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.play(lambda kind, number: None)

    def play(self, fails: Fails) -> None:
        self.fails, self.counts = fails, Counter[str]()

    def __call__(self, kind: str) -> str | None:
        with self._lock:
            self.counts[kind] += 1
            how = self.fails(kind, self.counts[kind])
        if how == "slow":
            time.sleep(0.005)
        if how == "error":
            raise OSError(errno.EIO, "Input/output error")
        if how == "forbidden":
            raise PermissionError(errno.EACCES, "Permission denied")
        return how


SCRIPT = Script()


class FaultyFile:
    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        SCRIPT("read")
        return bytes(self.file.read(size))

    def write(self, data: Any) -> int:
        if SCRIPT("write") == "half":
            self.file.write(bytes(data)[: len(data) // 2])
            raise OSError(errno.EIO, "Input/output error")
        return int(self.file.write(data))


class FaultyFileSystem(LocalFileSystem):
    """Files of this machine at ``faulty://``, behind storage that fails by `SCRIPT`."""

    protocol = "faulty"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix("faulty://")))

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> FaultyFile:
        SCRIPT("read" if mode == "rb" else "write")
        return FaultyFile(super()._open(path, mode, **kwargs))

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        SCRIPT("look")
        return dict(super().info(path, **kwargs))

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:
        SCRIPT("look")
        return list(super().ls(path, detail, **kwargs))

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        SCRIPT("write")
        super().mv(path1, path2, **kwargs)


def each(count: int, *kinds: str, how: str = "error") -> Fails:
    return lambda kind, number: how if kind in kinds and number % count == 0 else None


def from_on(first: int, *kinds: str, how: str = "error") -> Fails:
    return lambda kind, number: how if kind in kinds and number >= first else None


def between(first: int, last: int, *kinds: str) -> Fails:
    return lambda kind, number: "error" if kind in kinds and first <= number <= last else None


FAULTS: dict[str, tuple[str, Fails]] = {
    "the 2nd read fails": ("faulty", between(2, 2, "read")),
    "each 7th read fails": ("faulty", each(7, "read")),
    "each 5th write fails": ("faulty", each(5, "write")),
    "each 3rd write stops halfway": ("faulty", each(3, "write", how="half")),
    "all is slow": ("faulty", each(1, "read", "look", "write", how="slow")),
    "no read from the 5th on": ("faulty", from_on(5, "read", "look")),
    "no write from the 2nd on": ("faulty", from_on(2, "write")),
    "no permission from the 5th read on": ("faulty", from_on(5, "read", "look", how="forbidden")),
    "S3: 503 to each 5th request": ("s3", each(5, "request")),
    "S3: 503 to 20 in a row": ("s3", between(6, 25, "request")),
    "S3: 503 from the 9th on": ("s3", from_on(9, "request")),
}
STAGES = ["prepare", "train", "score", "evaluate"]
QUICK = [("each 7th read fails", "prepare"), ("no write from the 2nd on", "prepare")]


@pytest.fixture(scope="module")
def faulty_s3() -> Iterator[str]:
    """Serve S3 behind `SCRIPT`; return the query of URIs that lead there."""
    served = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            SCRIPT("request")
        except OSError:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        return list(served(environ, start_response))

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    query = f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    system, _ = location.filesystem(f"s3://faulty{query}&allow_bucket_creation=true")
    system.create_dir("faulty")
    yield query
    server.shutdown()


class Place:
    """A storage that fails, with all that a run without faults left there."""

    numbers = itertools.count()

    def __init__(self, recipe: Callable[..., Recipe], root: str) -> None:
        self.root, corpus = root, location.join(root, "corpus")
        self.cfg = recipe("trainer.num_epochs=1", f"output_dir='{location.join(root, 'clean')}'").changed(
            {"corpus.sources.synthetic.root": corpus}
        )
        self.run_dir = location.join(root, "clean", "runs", "a")

    def results(self, stage: str) -> Callable[[str], Any]:
        """Return what runs a stage below a folder, on what the run without faults left, and what it makes."""
        return {"prepare": self._prepare, "train": self._train, "score": self._score, "evaluate": self._evaluate}[stage]

    def _prepare(self, folder: str) -> Any:
        self.utterances = prepare(self.cfg.changed({"output_dir": folder}))
        return store.open_manifest(self.utterances)

    def _train(self, folder: str) -> Any:
        train(self.cfg, self.utterances, folder)
        opened = Checkpoint.open(str(last_checkpoint(folder)))
        return opened.epoch, {key: value.numpy().tobytes() for key, value in opened.weights.items()}

    def _score(self, folder: str) -> Any:
        checkpoint = Checkpoint.open(best_checkpoint(self.run_dir))
        self.scores = score(self.cfg, checkpoint, self.utterances, folder)
        return {name: store.open_manifest(uri)["files"] for name, uri in self.scores.items()}

    def _evaluate(self, folder: str) -> Any:
        evaluation = self.cfg.changed({"evaluation.bootstrap_draws": 0}).evaluation
        evaluate(self.scores, folder, facts={}, evaluation=evaluation)
        pages = [name for name in location.names_in(folder) if name.endswith(".png")]
        return store.read_json(location.join(folder, "metrics.json")), [
            hashlib.sha256(location.read_bytes(location.join(folder, name))).hexdigest() for name in pages
        ]


@pytest.fixture(scope="module")
def places(
    recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str, str], tuple[Place, dict[str, Any]]]]:
    """Return what gives a storage by its scheme, and what the stages up to one make there without faults."""
    fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
    known = pytest.MonkeyPatch()
    known.setattr(through_fsspec, "FSSPEC_SCHEMES", (*through_fsspec.FSSPEC_SCHEMES, "faulty"))
    made: dict[str, tuple[Place, dict[str, Any]]] = {}

    def place(scheme: str, last: str) -> tuple[Place, dict[str, Any]]:
        SCRIPT.play(lambda kind, number: None)
        if scheme not in made:
            query = request.getfixturevalue("faulty_s3") if scheme == "s3" else ""
            root = f"s3://faulty/runs{query}" if scheme == "s3" else f"faulty://{tmp_path_factory.mktemp('faulty')}"
            made[scheme] = Place(recipe, root), {}
        found, results = made[scheme]
        for stage in STAGES:
            if stage not in results:
                clean = location.join(found.root, "clean")
                folder = {"prepare": clean, "evaluate": location.join(clean, "evaluated")}.get(stage, found.run_dir)
                results[stage] = found.results(stage)(folder)
            if stage == last:
                break
        return found, results

    yield place
    known.undo()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        pytest.param(fault, stage, marks=[] if (fault, stage) in QUICK else [pytest.mark.slow])
        for fault in FAULTS
        for stage in STAGES
    ],
)
def test_faults_of_the_storage(
    fault: str,
    stage: str,
    places: Callable[[str, str], tuple[Place, dict[str, Any]]],
    outcome: Callable[[str, str, str, str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scheme, fails = FAULTS[fault]
    monkeypatch.setattr(storage_fault, "ATTEMPTS", 2 if scheme == "s3" else 4)  # pyarrow itself tries S3 for 6 s
    place, expected = places(scheme, stage)
    before = place.__dict__.copy()
    folder = location.join(place.root, f"outputs-{next(Place.numbers)}")
    stop: Exception | None = None
    SCRIPT.play(fails)
    try:
        found = place.results(stage)(folder)
    except (OSError, ValueError) as error:
        stop = error
    SCRIPT.play(lambda kind, number: None)
    if stop:
        assert is_users(stop), stop
        assert f"At {place.root.partition('?')[0]}" in str(stop)
        assert "run the same command again: what is finished is kept" in str(stop)
        found = place.results(stage)(folder)
    place.__dict__ |= before
    assert found == expected[stage]
    outcome("fault", fault, stage, STOPS if stop else SAME)


def test_a_mount_that_vanishes_after_the_listing(
    recipe: Callable[..., Recipe],
    tiny_store: str,
    outcome: Callable[[str, str, str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    cfg = recipe(f"output_dir={tmp_path}", name="prepare")
    root, away = tmp_path / "audio", tmp_path / "away"
    shutil.copytree(cfg.corpora["synthetic"].plain["root"], root)
    cfg = cfg.changed({"corpus.sources.synthetic.root": str(root)})
    list_corpus = engine._list_corpus

    def unmounted(*args: Any) -> Any:
        listed = list_corpus(*args)
        root.rename(away)
        return listed

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_list_corpus", unmounted)
        with pytest.raises(
            OSError, match=r"got 3 of \d+ parts of prepare .* mount missing: .* At .*, mount /.*, node "
        ):
            prepare(cfg)
    away.rename(root)
    found, expected = (
        [info["sha256"] for file, info in store.open_manifest(uri)["files"].items() if file.startswith("utterances/")]
        for uri in (prepare(cfg), tiny_store)
    )
    assert found == expected
    outcome("fault", "the mount vanishes after the listing", "prepare", STOPS)


@pytest.mark.slow
def test_faults_of_the_storage_on_ray(
    ray_session: None,
    places: Callable[[str, str], tuple[Place, dict[str, Any]]],
    outcome: Callable[[str, str, str, str], None],
):
    place, expected = places("s3", "prepare")
    cfg = place.cfg.changed({"compute.where": "local", "output_dir": location.join(place.root, "ray")})
    SCRIPT.play(each(5, "request"))
    utterances = prepare(cfg)
    SCRIPT.play(lambda kind, number: None)
    assert store.open_manifest(utterances) == expected["prepare"]
    outcome("fault", "on Ray, S3: 503 to each 5th request", "prepare", SAME)
