"""Runs: a folder of their own, a configuration that is kept, and going on with them, wherever they lie by then."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from avis import store
from avis.engine.runs import open_run, save_run, started_on
from avis.engine.workers.stopping import STOPPING

Composed = Callable[..., DictConfig]


def start(cfg: DictConfig, utterances: str = "stores/a") -> str:
    """Begin a run and leave it before it has trained anything."""
    with open_run(cfg) as (run_dir, recipe):
        save_run(run_dir, recipe, utterances)
    return run_dir


def mark_trained(run_dir: str) -> None:
    store.write_bytes(f"{run_dir}/checkpoints/last.ckpt", b"weights")


def test_a_new_run_has_a_folder_and_a_configuration_of_its_own(composed: Composed, tmp_path: Path):
    with open_run(composed(f"output_dir={tmp_path}", "run=first")) as (run_dir, recipe):
        assert run_dir == str(tmp_path / "runs" / "first")
        save_run(run_dir, recipe, f"{tmp_path}/stores/a")
    assert store.read_json(f"{run_dir}/config.json") == {**recipe.plain, "utterances": "stores/a"}
    assert [path.name for path in Path(run_dir).iterdir()] == ["config.json"]
    with open_run(composed(f"output_dir={tmp_path}")) as (unnamed, _):
        assert Path(unnamed).parent == tmp_path / "runs"
    assert not Path(unnamed).exists()


def test_a_name_is_taken_once_something_was_trained(composed: Composed, tmp_path: Path):
    first = composed(f"output_dir={tmp_path}", "run=first")
    run_dir = start(first)
    store.write_bytes(f"{run_dir}/csv/version_0/metrics.csv", b"of the run that came to nothing")
    assert start(composed(f"output_dir={tmp_path}", "run=first", "seed=1")) == run_dir
    assert store.read_json(f"{run_dir}/config.json")["seed"] == 1
    assert not Path(run_dir, "csv").exists()
    mark_trained(run_dir)
    with pytest.raises(ValueError, match=r"run exists: got run=first, .*go on with that run by resume=first"):
        start(first)


@pytest.mark.parametrize("second", ["run=first", "resume=first"])
def test_a_run_belongs_to_one_process_at_a_time(composed: Composed, tmp_path: Path, second: str):
    cfg = composed(f"output_dir={tmp_path}", "run=first")
    start(cfg)
    with open_run(cfg), pytest.raises(ValueError, match=r"run in use: got a run that process \d+ on .* works on"):
        start(composed(f"output_dir={tmp_path}", second))
    start(composed(f"output_dir={tmp_path}", second))


def test_a_wrong_configuration_leaves_no_run_behind(composed: Composed, tmp_path: Path):
    with pytest.raises(ValueError, match="wrong value"):
        start(composed(f"output_dir={tmp_path}", "run=first", "model.channels=many"))
    assert not (tmp_path / "runs").exists()


def test_a_resumed_run_has_the_settings_it_was_started_with(composed: Composed, tmp_path: Path):
    with open_run(composed(f"output_dir={tmp_path}", "run=first", "model.channels=64")) as (started_dir, started):
        save_run(started_dir, started, "stores/a")
    of_compute = ["compute=debug", "compute.max_restarts=1", "compute.data_cpus=2"]
    again = ["resume=first", f"output_dir={tmp_path}", *of_compute]
    with open_run(composed(*again, "trainer.max_minutes=5.0")) as (run_dir, recipe):
        assert run_dir == started_dir
    assert recipe.model.plain["channels"] == 64
    assert (recipe.compute.where, recipe.compute.max_restarts, recipe.compute.data_cpus) == ("debug", 1, 2)
    assert recipe.trainer.max_minutes == 5.0
    different = {key for key in started.plain if recipe.plain[key] != started.plain[key]}
    assert different == {"compute", "trainer"}


def test_what_an_earlier_version_did_not_know_is_as_it_is_by_default(composed: Composed, tmp_path: Path):
    run_dir = start(composed(f"output_dir={tmp_path}", "run=first", "trainer.num_epochs=3"))
    saved = store.read_json(f"{run_dir}/config.json")
    del saved["trainer"]["max_minutes"]
    store.write_json(f"{run_dir}/config.json", saved)
    with open_run(composed(f"output_dir={tmp_path}", "resume=first")) as (_, recipe):
        assert (recipe.trainer.num_epochs, recipe.trainer.max_minutes) == (3, None)


@pytest.mark.parametrize("change", ["model.channels=64", "seed=1", "trials=some.txt", "run=second", "model=ecapa_512"])
def test_a_resumed_run_cannot_be_changed(composed: Composed, tmp_path: Path, change: str):
    start(composed(f"output_dir={tmp_path}", "run=first"))
    with pytest.raises(ValueError, match=f"resumed run changed: got {change}, expected nothing beside resume"):
        start(composed("resume=first", f"output_dir={tmp_path}", change))


def test_a_resumed_run_keeps_where_it_ran_unless_told(composed: Composed, tmp_path: Path):
    start(composed(f"output_dir={tmp_path}", "run=first", "compute=debug"))
    with open_run(composed("resume=first", f"output_dir={tmp_path}")) as (_, recipe):
        assert recipe.compute.where == "debug"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["compute.data_cpus=2"], ("cluster", 5, [1, 3], 2)),
        (["compute.num_workers=[2,4]", "compute.max_restarts=1"], ("cluster", 1, [2, 4], None)),
        (["compute.wait_minutes=60"], ("cluster", 5, [1, 3], None)),
        (["compute={data_cpus:2}"], ("cluster", 5, [1, 3], 2)),
        (["compute=local", "compute.data_cpus=2"], ("local", 3, None, 2)),
    ],
)
def test_a_resumed_run_keeps_what_is_not_said_of_its_compute(
    composed: Composed, tmp_path: Path, given: list[str], expected: tuple[str, int, list[int] | None, int | None]
):
    of_compute = ["compute=cluster", "compute.num_workers=[1,3]", "compute.max_restarts=5"]
    start(composed(f"output_dir={tmp_path}", "run=first", *of_compute))
    with open_run(composed("resume=first", f"output_dir={tmp_path}", *given)) as (_, recipe):
        compute = recipe.compute
    assert (compute.where, compute.max_restarts, compute.num_workers, compute.data_cpus) == expected
    assert compute.wait_minutes == (60 if "compute.wait_minutes=60" in given else 30)


def test_outputs_that_have_moved_are_found_again(composed: Composed, tmp_path: Path):
    """What lies in them goes with them; a corpus that stays where it is stays."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before / "stores" / "a", before / "synthetic", tmp_path / "beside"):
        store.write_json(f"{folder}/{store.MANIFEST}", {})
    extends = [f"extends={before}/stores/a", f"start_from={tmp_path}/beside"]
    start(composed(f"output_dir={before}", "run=first", *extends), f"{before}/stores/a")
    shutil.move(before, after)
    with open_run(composed("resume=first", f"output_dir={after}")) as (_, recipe):
        assert recipe.corpora["synthetic"].plain["root"] == f"{after}/synthetic"
        assert (recipe.extends, recipe.start_from) == (f"{after}/stores/a", f"{tmp_path}/beside")
        assert started_on(recipe) == f"{after}/stores/a"


def test_a_run_of_an_earlier_version_says_in_full_where_its_store_was(composed: Composed, tmp_path: Path):
    run_dir = start(composed(f"output_dir={tmp_path}", "run=first"))
    saved = store.read_json(f"{run_dir}/config.json")
    for utterances, there in (("/gone/stores/a", tmp_path / "stores" / "a"), (str(tmp_path / "b"), tmp_path / "b")):
        store.write_json(f"{run_dir}/config.json", {**saved, "utterances": utterances})
        with open_run(composed("resume=first", f"output_dir={tmp_path}")) as (_, recipe):
            assert started_on(recipe) is None
            store.write_json(f"{there}/{store.MANIFEST}", {})
            assert started_on(recipe) == str(there)


def test_a_run_is_resumed_on_the_audio_it_was_started_on(composed: Composed, tmp_path: Path):
    start(composed(f"output_dir={tmp_path}", "run=first"))
    with open_run(composed(f"output_dir={tmp_path}", "resume=first")) as (run_dir, recipe):
        save_run(run_dir, recipe, "moved/stores/a")
        with pytest.raises(ValueError, match="audio changed: got utterances=stores/b, expected stores/a"):
            save_run(run_dir, recipe, "stores/b")


def test_an_unknown_run_cannot_be_resumed(composed: Composed, tmp_path: Path):
    with pytest.raises(ValueError, match=rf"no run to resume: got resume=first, .*At {tmp_path}/runs/first"):
        start(composed("resume=first", f"output_dir={tmp_path}"))
    assert not (tmp_path / "runs").exists()


def test_a_run_says_by_what_it_was_stopped_and_how_it_goes_on(
    composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.argv", ["pipelines/train.py"])
    monkeypatch.setattr(STOPPING, "told_by", "SIGTERM")
    cfg = composed(f"output_dir={tmp_path}/moved outputs", "run=first")

    def told_to_stop(said: str = "", *, prepared: bool) -> None:
        with open_run(cfg) as (run_dir, recipe):
            if prepared:
                save_run(run_dir, recipe, "stores/a")
            raise KeyboardInterrupt(said)

    with pytest.raises(KeyboardInterrupt, match=r"stopped by SIGTERM: nothing was trained yet\. .* same command again"):
        told_to_stop(prepared=False)
    with pytest.raises(KeyboardInterrupt, match=r"^stopped: 2 of 8 parts of prepare"):
        told_to_stop("stopped: 2 of 8 parts of prepare are finished. Run the same command again.", prepared=False)
    command = f"python pipelines/train.py resume=first 'output_dir={tmp_path}/moved outputs'"
    with pytest.raises(KeyboardInterrupt, match=f"stopped by SIGTERM: .* Go on with: {command}$"):
        told_to_stop("stopped: 2 of 8 parts of embed trials are finished.", prepared=True)
    cfg = composed(f"output_dir={tmp_path}/moved outputs", "resume=first", "compute.data_cpus=2")
    with pytest.raises(KeyboardInterrupt, match=f"Go on with: {command} compute.data_cpus=2$"):
        told_to_stop(prepared=False)


@pytest.mark.few(8)
@pytest.mark.parametrize("key", ["run", "resume"])
@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".hidden", "-x", "~x", " x", "x ", "a?b", "a\nb", "x" * 201, "\u00e9" * 101]
)
def test_a_name_that_no_run_can_have_is_refused(
    composed: Callable[..., DictConfig], tmp_path: Path, key: str, name: str
):
    cfg = composed(f"output_dir={tmp_path}")
    cfg[key] = name
    with pytest.raises(ValueError, match=rf"unfit name of a run: got {key}=.* At {key}\. Give another"), open_run(cfg):
        pass


@pytest.mark.parametrize("name", ["007", "2024-01-01", "a b", "it's", "\u00fc{1},[2]=%#$x:y", "x" * 200])
def test_any_other_name_is_the_run_s(composed: Callable[..., DictConfig], tmp_path: Path, name: str):
    cfg = composed(f"output_dir={tmp_path}")
    cfg["run"] = name
    with open_run(cfg) as (run_dir, recipe):
        save_run(run_dir, recipe, "stores/a")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [name]
