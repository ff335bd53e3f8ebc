"""A checkpoint from elsewhere is data: nothing in it is run, written, or loaded without bounds."""

import copy
import os
import pickle
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import build
from avis.engine.config import check_composed, fill, resolve
from avis.engine.recipe import ScoreRecipe
from tests.compositions import composed

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = ["model=xvector_small", "model.channels=8", "model.pooled_channels=8", "model.embedding_dim=4"]
MEMORY_BYTES, SECONDS = 8 << 30, 180
"""What a process may take to refuse a bomb, libraries and all."""

Honest = dict[str, Any]
Opened = Callable[[Path], None]


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    return check_composed(composed("score", "checkpoint=x", "compute=debug"))


@pytest.fixture(scope="module")
def trained() -> Honest:
    """Return what a checkpoint of a small model holds."""
    corpus = ["corpus=folder", "corpus.root=/data/calls", "corpus.split=test"]
    recipe = resolve(composed("train", *TINY, *corpus, "trials=/data/trials.txt", "calibration=linear"))
    weights = {f"model.{key}": value for key, value in build(recipe["model"]).state_dict().items()}
    return {"state_dict": weights, "recipe": recipe, "speakers": ["a", "b"], "epoch": 3, "global_step": 40}


@pytest.fixture
def honest(trained: Honest) -> Honest:
    return copy.deepcopy(trained)


@pytest.fixture
def opened(asked: dict[str, Any], tmp_path: Path) -> Opened:
    """Return what opens a checkpoint as ``pipelines/score.py`` does, up to where audio is read."""

    def open_(path: Path) -> None:
        given = {**asked, "checkpoint": str(path), "output_dir": str(tmp_path / "outputs")}
        checkpoint = Checkpoint.open(given["checkpoint"])
        ScoreRecipe.of(fill(given, checkpoint.recipe))
        checkpoint.build_model()
        checkpoint.build_front_end()

    return open_


@pytest.fixture
def refused(opened: Opened, tmp_path: Path, outcome: Callable[..., None]) -> Callable[[str, object], None]:
    """Return what saves a checkpoint and finds it refused in a user's words that name the place, and nothing done."""

    def refuse(name: str, checkpoint: object) -> None:
        path = tmp_path / "hostile.ckpt"
        if checkpoint is not None:
            torch.save(checkpoint, path)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ValueError, match=r"(?s): got .*, expected .* At ") as error:
            opened(path)
        assert sorted(tmp_path.rglob("*")) == before, "nothing ran and nothing was written"
        outcome("hostile checkpoint", name, "what is said", shown(error.value))

    return refuse


def shown(error: object) -> str:
    return " ".join(str(error).split(", expected")[0].split())[:110].replace("|", "\\|")


def test_an_honest_checkpoint_is_opened(honest: Honest, opened: Opened, tmp_path: Path):
    torch.save(honest, tmp_path / "best.ckpt")
    opened(tmp_path / "best.ckpt")


CANARY = "canary"
GADGETS: dict[str, dict[str, object]] = {
    "os.system": {"command": f"touch {CANARY}"},
    "posix.system": {"command": f"touch {CANARY}"},
    "subprocess.Popen": {"args": ["touch", CANARY]},
    "builtins.eval": {"source": f"open({CANARY!r}, 'w')"},
    "builtins.open": {"file": CANARY, "mode": "w"},
    "importlib.import_module": {"name": "this"},
    "hydra.utils.get_method": {"path": "os.system"},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": f"touch {CANARY}"}},
    "torch.load": {"f": CANARY, "weights_only": False},
    "torch.hub.load": {"repo_or_dir": ".", "model": "m", "source": "local"},
    "numpy.load": {"file": CANARY, "allow_pickle": True},
    "pickle.loads": {"data": pickle.dumps(print).decode("latin1")},
    "shutil.copyfile": {"src": "/etc/hostname", "dst": CANARY},
    "avis.store.write_bytes": {"uri": CANARY, "data": "x"},
    "avis.corpora.synthetic.write_bytes": {"uri": CANARY, "data": "x"},
    "avis.location.read_bytes": {"path": "/etc/hostname"},
    "avis.corpora.files.read_text": {"path": "/etc/hostname", "expected": "x"},
    "avis.training.fit.fit": {},
    "avis.features.self_supervised._load": {"model": "."},
    "avis.augment.bank.os.remove": {"path": CANARY},
    "torch.optim.optimizer.functools.partial": {},
    "torch.optim.swa_utils.update_bn": {"loader": [], "model": None},
    "avis.checkpoints.teacher.distillation": {"teacher_checkpoint": "hostile.ckpt"},
}
PLACES: dict[str, Callable[[Any, Any], object]] = {
    "model": lambda recipe, node: recipe.update(model=node),
    "model, an argument": lambda recipe, node: recipe["model"].update(pooling=node),
    "model, partial": lambda recipe, node: recipe["model"].update(pooling={**node, "_partial_": True}),
    "front end, in a list": lambda recipe, node: recipe["features"]["front_end"].update(steps=[[node]]),
    "back-end": lambda recipe, node: recipe["scoring"].update(backend=node),
    "calibration": lambda recipe, node: recipe["calibration"].update(model=node),
    "corpus": lambda recipe, node: recipe["corpus"]["sources"].update(stranger=node),
    "trials": lambda recipe, node: recipe.update(trials={"list": node}),
    "augmentation": lambda recipe, node: recipe["augment"].update(noise_bank=node),
}


@pytest.mark.parametrize(("target", "place"), [(t, [*PLACES][i % len(PLACES)]) for i, t in enumerate(GADGETS)])
def test_only_components_are_built(
    honest: Honest,
    refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    place: str,
):
    monkeypatch.chdir(tmp_path)
    PLACES[place](honest["recipe"], {"_target_": target, **GADGETS[target]})
    refused(f"`{target}` ({place})", honest)


class Call:
    """What pickle turns into a call as it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.system, (f"touch {CANARY}",)


@pytest.mark.parametrize("key", ["state_dict", "speakers", "optimizer_states"])
def test_what_pickle_would_call_is_not_called(
    honest: Honest, refused: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
):
    monkeypatch.chdir(tmp_path)
    refused(f"pickle that calls os.system ({key})", {**honest, key: Call()})
    (tmp_path / "hostile.ckpt").write_bytes(pickle.dumps({**honest, key: Call()}))
    refused("a bare pickle", None)


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for _ in range(levels):
        node = {"a": node}
    return node


def doubled(levels: int) -> list[Any]:
    node: list[Any] = []
    for _ in range(levels):
        node = [node, node]
    return node


def first(honest: Honest, value: torch.Tensor) -> None:
    honest["state_dict"][next(iter(honest["state_dict"]))] = value


def of_recipe(key: str, value: object) -> Callable[[Honest], object]:
    *groups, last = key.split(".")

    def change(honest: Honest) -> None:
        node = honest["recipe"]
        for group in groups:
            node = node[group]
        node[last] = value

    return change


DATA: dict[str, Callable[[Honest], object]] = {
    "recipe, a list": lambda it: it.update(recipe=["model", "features", "sharding"]),
    "recipe, a number": lambda it: it.update(recipe=5),
    "model, a text": of_recipe("model", "avis"),
    "settings of 200 levels": of_recipe("model.pooling", nested(200)),
    "settings inside themselves": lambda it: it["recipe"].update(model=it["recipe"]),
    "2^20 settings by reference": of_recipe("model.pooling", doubled(20)),
    "a whole number of 4,000 bits": of_recipe("model.channels", 1 << 4000),
    "NaN for a size": of_recipe("model.channels", float("nan")),
    "a text for a size": of_recipe("model.channels", "8"),
    "a negative size": of_recipe("model.channels", -8),
    "a tensor for a setting": of_recipe("model.channels", torch.zeros(2)),
    "a number for a key": lambda it: it["recipe"]["model"].update({5: 5}),
    "Hydra's `_args_`": lambda it: it["recipe"]["model"].update(_args_=[1, 2]),
    "`${oc.env:HOME}`": of_recipe("model.reading", "${oc.env:HOME}"),
    "a sample rate of 0 Hz": of_recipe("sharding.sample_rate", 0),
    "a sharding without settings": of_recipe("sharding", {"sample_rate": 16000}),
    "a corpus without a class": of_recipe("corpus", {"sources": {"calls": {"root": "/"}}}),
    "corpora in a list": of_recipe("corpus", {"sources": [1]}),
    "a list that is written to `../../list`": of_recipe("trials", {"../../list": "/data/trials.txt"}),
    "a list that is written to `/elsewhere/list`": of_recipe("trials", {"/elsewhere/list": "/data/trials.txt"}),
    "trials at another host": of_recipe("trials", {"list": "https://stranger.example/trials.txt"}),
    "a corpus at another host": of_recipe("corpus.sources.folder.root", "s3://stranger/x?endpoint_override=host"),
    "noise at another host": of_recipe(
        "augment.noise_bank",
        {"_target_": "avis.augment.bank.load_bank", "root": "s3://x/y", "sample_rate": 16000, "max_duration_s": 1.0},
    ),
    "voices written elsewhere": of_recipe(
        "corpus.sources.folder",
        {
            **{"_target_": "avis.corpora.synthetic.Synthetic", "name": "s", "root": "/elsewhere", "seed": 0},
            **{"num_train_speakers": 1000, "num_test_speakers": 2, "num_sessions": 2, "num_utterances": 1},
            "duration_s": 1.0,
        },
    ),
    "speakers, a text": lambda it: it.update(speakers="everybody"),
    "speakers, numbers": lambda it: it.update(speakers=[1, 2]),
    "an epoch that is a text": lambda it: it.update(epoch="5"),
    "weights, a list": lambda it: it.update(state_dict=[torch.zeros(2)]),
    "a weight of 10^12 values in 4 bytes": lambda it: first(it, torch.zeros(1).expand(10**12)),
    "a weight without values (meta)": lambda it: first(it, torch.empty(10**12, device="meta")),
    "a sparse weight": lambda it: first(it, torch.eye(3).to_sparse()),
    "a complex weight": lambda it: first(it, torch.zeros(3, dtype=torch.complex64)),
    "a quantised weight": lambda it: first(it, torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)),
    "a weight of NaN": lambda it: first(it, torch.full_like(next(iter(it["state_dict"].values())), torch.nan)),
    "a model of 10^18 values": of_recipe("model.channels", 10**9),
    "a model of 10^9 layers": of_recipe("model.num_segment_layers", 10**9),
    "a front end of 10^9 mels": of_recipe("features.front_end.dim", 10**9),
    "frames of 10^7 s": of_recipe("features.front_end.frame_length_ms", 1e10),
    "frames of 30 s": of_recipe("features.front_end.frame_length_ms", 3e4),
}


@pytest.mark.few(13)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", DATA)
def test_what_is_no_model_is_refused(honest: Honest, refused: Callable[..., None], name: str):
    DATA[name](honest)
    refused(name, honest)


def test_memory_that_unpacks_out_of_nothing_is_refused(honest: Honest, refused: Callable[..., None], tmp_path: Path):
    first(honest, torch.zeros(1 << 23))
    torch.save(honest, tmp_path / "plain.ckpt")
    plain, packed = (
        zipfile.ZipFile(tmp_path / f"{name}.ckpt", mode) for name, mode in (("plain", "r"), ("hostile", "w"))
    )
    with plain, packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "hostile.ckpt").stat().st_size < 1 << 18
    refused("a zip bomb", None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a model of 10^18 values", "a front end of 10^9 mels", "2^20 settings by reference"])
def test_the_script_says_so_in_bounded_memory_and_time(
    honest: Honest, tmp_path: Path, outcome: Callable[..., None], name: str
):
    DATA[name](honest)
    torch.save(honest, tmp_path / "hostile.ckpt")
    given = [f"checkpoint={tmp_path}/hostile.ckpt", f"output_dir={tmp_path}/outputs", "compute=debug"]
    ended = subprocess.run(
        [sys.executable, str(CONFIGS.parent / "pipelines" / "score.py"), *given],
        env={key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
    )
    assert ended.returncode == 1
    assert re.match("recipe of a checkpoint refused|front end too large|settings are no plain data", ended.stderr)
    assert "Traceback" not in ended.stderr, ended.stderr
    outcome("hostile checkpoint", f"{name}, to score.py", "what is said", shown(ended.stderr))
