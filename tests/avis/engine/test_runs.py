"""Runs: a folder of their own, a configuration that is kept, and going on with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from avis import store
from avis.engine.runs import open_run, resumable, save_run


def test_a_new_run_has_a_folder_and_a_configuration_of_its_own(composed: Callable[..., DictConfig], tmp_path: Path):
    run_dir, recipe = open_run(composed(f"output_dir={tmp_path}", "run=first"))
    assert run_dir == str(tmp_path / "runs" / "first")
    save_run(run_dir, recipe, "stores/a")
    assert store.read_json(f"{run_dir}/config.json") == {**recipe.plain, "utterances": "stores/a"}
    with pytest.raises(ValueError, match=r"run exists: got run=first, .*go on with that run by resume=first"):
        open_run(composed(f"output_dir={tmp_path}", "run=first"))
    unnamed, _ = open_run(composed(f"output_dir={tmp_path}"))
    assert Path(unnamed).parent == tmp_path / "runs"


def test_a_wrong_configuration_leaves_no_run_behind(composed: Callable[..., DictConfig], tmp_path: Path):
    with pytest.raises(ValueError, match="wrong value"):
        open_run(composed(f"output_dir={tmp_path}", "run=first", "model.channels=many"))
    assert not (tmp_path / "runs").exists()


def test_a_resumed_run_has_the_settings_it_was_started_with(composed: Callable[..., DictConfig], tmp_path: Path):
    started_dir, started = open_run(composed(f"output_dir={tmp_path}", "run=first", "model.channels=64"))
    save_run(started_dir, started, "stores/a")
    again = ["resume=first", f"output_dir={tmp_path}", "compute=debug", "compute.max_restarts=1"]
    run_dir, recipe = open_run(composed(*again))
    assert run_dir == started_dir
    assert recipe.model.plain["channels"] == 64
    assert (recipe.compute.where, recipe.compute.max_restarts) == ("debug", 1)
    different = {key for key in started.plain if recipe.plain[key] != started.plain[key]}
    assert different == {"compute"}


@pytest.mark.parametrize("change", ["model.channels=64", "seed=1", "trials=some.txt", "run=second", "model=ecapa_512"])
def test_a_resumed_run_cannot_be_changed(composed: Callable[..., DictConfig], tmp_path: Path, change: str):
    save_run(*open_run(composed(f"output_dir={tmp_path}", "run=first")), "stores/a")
    with pytest.raises(ValueError, match=f"resumed run changed: got {change}, expected nothing beside resume"):
        open_run(composed("resume=first", f"output_dir={tmp_path}", change))


def test_a_resumed_run_keeps_where_it_ran_unless_told(composed: Callable[..., DictConfig], tmp_path: Path):
    save_run(*open_run(composed(f"output_dir={tmp_path}", "run=first", "compute=debug")), "stores/a")
    assert open_run(composed("resume=first", f"output_dir={tmp_path}"))[1].compute.where == "debug"


def test_a_run_is_resumed_on_the_audio_it_was_started_on(composed: Callable[..., DictConfig], tmp_path: Path):
    run_dir, recipe = open_run(composed(f"output_dir={tmp_path}", "run=first"))
    save_run(run_dir, recipe, "stores/a")
    save_run(run_dir, recipe, "moved/stores/a")
    with pytest.raises(ValueError, match="audio changed: got utterances=stores/b, expected stores/a"):
        save_run(run_dir, recipe, "stores/b")


def test_an_unknown_run_cannot_be_resumed(composed: Callable[..., DictConfig], tmp_path: Path):
    with pytest.raises(ValueError, match=rf"no run to resume: got resume=first, .*At {tmp_path}/runs/first"):
        open_run(composed("resume=first", f"output_dir={tmp_path}"))
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_says_how_a_run_goes_on():
    with (
        pytest.raises(KeyboardInterrupt, match=r"stopped: resume=first goes on .* At s3://b/runs/first\?region=x"),
        resumable("s3://b/runs/first?region=x"),
    ):
        raise KeyboardInterrupt("stopped: 2 of 8 parts of embed trials are finished.")


@pytest.mark.parametrize("key", ["run", "resume"])
@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".hidden", "-x", "~x", " x", "x ", "a?b", "a\nb", "x" * 201, "\u00e9" * 101]
)
def test_a_name_that_no_run_can_have_is_refused(
    composed: Callable[..., DictConfig], tmp_path: Path, key: str, name: str
):
    cfg = composed(f"output_dir={tmp_path}")
    cfg[key] = name
    with pytest.raises(ValueError, match=rf"unfit name of a run: got {key}=.* At {key}\. Give another"):
        open_run(cfg)


@pytest.mark.parametrize("name", ["007", "2024-01-01", "a b", "it's", "\u00fc{1},[2]=%#$x:y", "x" * 200])
def test_any_other_name_is_the_run_s(composed: Callable[..., DictConfig], tmp_path: Path, name: str):
    cfg = composed(f"output_dir={tmp_path}")
    cfg["run"] = name
    save_run(*open_run(cfg), "stores/a")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [name]
