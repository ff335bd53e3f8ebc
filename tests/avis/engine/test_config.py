"""Configurations: wrong ones are refused before anything starts, and runs keep theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from avis import store
from avis.engine.config import filled, keep_run, open_run, resolve

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Return what composes a configuration as a pipeline does, Hydra's own part included."""

    def compose_with(*overrides: str, name: str = "train") -> DictConfig:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose(name, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return DictConfig({key: value for key, value in cfg.items_ex(resolve=False) if key != "hydra"}, parent=None)

    yield compose_with
    HydraConfig.instance().cfg = None


def refused(composed: Callable[..., DictConfig], *overrides: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve(composed(*overrides))


def test_the_configuration_becomes_plain_data(composed: Callable[..., DictConfig]):
    recipe = resolve(composed("model.channels=64"))
    assert type(recipe) is dict
    assert type(recipe["trainer"]["speeds"]) is list
    assert recipe["model"]["channels"] == 64
    assert recipe["model"]["num_mels"] == recipe["features"]["front_end"]["dim"] == 80


def test_hydra_names_an_unknown_key(composed: Callable[..., DictConfig]):
    with pytest.raises(ConfigCompositionException, match=r"model\.chanels"):
        composed("model.chanels=64")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "+model.chanels=64",
            r"wrong keys: got unknown \['chanels'\] .*EcapaTdnn: num_mels, channels.*~model\.chanels",
        ),
        ("~model.channels", r"wrong keys: got unknown \[\] and lacks \['channels'\].*At model\."),
        ("model.channels=many", r"wrong value: got 'many', expected int .*At model\.channels\."),
        ("model.channels=64.5", r"wrong value: got 64\.5, expected int .*At model\.channels\."),
        ("model.channels=true", r"wrong value: got True, expected int .*At model\.channels\."),
        ("trainer.precision=16", r"wrong value: got 16, expected str .*At trainer\.precision\."),
        ("trainer.speeds=[1.0,fast]", r"wrong value: got \[1\.0, 'fast'\], expected .*At trainer\.speeds\."),
        ("compute.where=cloud", r"wrong value: got 'cloud', .*At compute\.where\."),
        ("sharding.encoding=mp3", r"wrong value: got 'mp3', .*At sharding\.encoding\."),
        (
            "model._target_=avis.models.ecapa.Ecapa",
            r"(?s)unknown component: got _target_=avis\.models\.ecapa.*At model\.",
        ),
        ("optimizer._target_=torch.optim.Adaam", r"(?s)unknown component: .*At optimizer\."),
        ("trainer.batch_size=-4", r"wrong value: got -4, expected int .*greater than 0.*At trainer\.batch_size\."),
        ("trainer.speeds=[1.0,0]", r"wrong value: got \[1\.0, 0\], .*greater than 0.*At trainer\.speeds\."),
        ("compute.num_workers=0", r"wrong value: got 0, .*greater than 0.*At compute\.num_workers\."),
        ("sharding.max_reject_share=2", r"wrong value: got 2, expected float .*At sharding\.max_reject_share\."),
        ("optimizer.lr=high", r"wrong value: got 'high', .*At optimizer\.lr\."),
        ("loss.scale=big", r"wrong value: got 'big', expected float .*At loss\.scale\."),
        (
            "augment.chain.steps.0.choices.1.min_snr_db=low",
            r"At augment\.chain\.steps\[0\]\.choices\[1\]\.min_snr_db\.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key(composed: Callable[..., DictConfig], override: str, message: str):
    refused(composed, override, message=message)


def test_whole_numbers_do_for_real_ones(composed: Callable[..., DictConfig]):
    assert resolve(composed("loss.scale=30", "trainer.speeds=[1]"))["loss"]["scale"] == 30


@pytest.mark.parametrize(
    ("override", "key"), [("corpus=folder", "corpus.root"), ("augment=recorded", "augment.noise_root")]
)
def test_what_has_to_be_given_is_named(composed: Callable[..., DictConfig], override: str, key: str):
    with pytest.raises(ValueError, match=rf"value missing: .* At {key}\. Give it on the command line: {key}=<value>"):
        resolve(composed(override))


def test_a_new_run_has_a_folder_and_a_configuration_of_its_own(composed: Callable[..., DictConfig], tmp_path: Path):
    run_dir, recipe = open_run(composed(f"output_dir={tmp_path}", "run=first"))
    assert run_dir == str(tmp_path / "runs" / "first")
    keep_run(run_dir, recipe, "stores/a")
    assert store.read_json(f"{run_dir}/config.json") == recipe | {"utterances": "stores/a"}
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
    keep_run(started_dir, started, "stores/a")
    again = ["resume=first", f"output_dir={tmp_path}", "compute=debug", "compute.max_restarts=1"]
    run_dir, recipe = open_run(composed(*again))
    assert run_dir == started_dir
    assert recipe["model"]["channels"] == 64
    assert (recipe["compute"]["where"], recipe["compute"]["max_restarts"]) == ("debug", 1)
    different = {key for key in started if recipe[key] != started[key]}
    assert different == {"compute"}


@pytest.mark.parametrize("change", ["model.channels=64", "seed=1", "trials=some.txt", "run=second", "model=ecapa_512"])
def test_a_resumed_run_cannot_be_changed(composed: Callable[..., DictConfig], tmp_path: Path, change: str):
    keep_run(*open_run(composed(f"output_dir={tmp_path}", "run=first")), "stores/a")
    with pytest.raises(ValueError, match=f"resumed run changed: got {change}, expected nothing beside resume"):
        open_run(composed("resume=first", f"output_dir={tmp_path}", change))


def test_a_resumed_run_keeps_where_it_ran_unless_told(composed: Callable[..., DictConfig], tmp_path: Path):
    keep_run(*open_run(composed(f"output_dir={tmp_path}", "run=first", "compute=debug")), "stores/a")
    assert open_run(composed("resume=first", f"output_dir={tmp_path}"))[1]["compute"]["where"] == "debug"


def test_a_run_is_resumed_on_the_audio_it_was_started_on(composed: Callable[..., DictConfig], tmp_path: Path):
    run_dir, recipe = open_run(composed(f"output_dir={tmp_path}", "run=first"))
    keep_run(run_dir, recipe, "stores/a")
    keep_run(run_dir, recipe, "moved/stores/a")
    with pytest.raises(ValueError, match="audio changed: got utterances=stores/b, expected stores/a"):
        keep_run(run_dir, recipe, "stores/b")


def test_an_unknown_run_cannot_be_resumed(composed: Callable[..., DictConfig], tmp_path: Path):
    with pytest.raises(ValueError, match=rf"no run to resume: got resume=first, .*At {tmp_path}/runs/first"):
        open_run(composed("resume=first", f"output_dir={tmp_path}"))
    assert not (tmp_path / "runs").exists()


OWN = {
    "calibration": {"trials": "own.txt"},
    "operating_point": {"p_target": 0.5},
    "enrolments": "own.csv",
    "scoring": {"backend": 1},
    "model": {"channels": 3},
    "extends": "stores/a",
    "sharding": {
        "_target_": "avis.engine.shards.sharding.Sharding",
        "sample_rate": 8000,
        "encoding": "flac",
        "channel": "mix",
        "vad": "energy",
        "trim": "ends",
        "min_duration_s": 0.5,
        "max_reject_share": 0.05,
        "num_validation_speakers": 3,
        "shard_rows": 10,
        "shard_mb": 10.0,
        "row_group_rows": 10,
        "utterances_together": 2,
        "seed": 0,
    },
}


def test_null_is_the_checkpoints_own_and_none_is_nothing(composed: Callable[..., DictConfig]):
    as_its_own = resolve(composed("checkpoint=x", name="score"), fill=lambda given: filled(given, OWN))
    assert {key: as_its_own[key] for key in OWN} == OWN
    assert as_its_own["trials"] is None
    off = ["calibration=none", "operating_point=none", "enrolments=none", "trials=none", "scoring=wccn"]
    seen = []
    given = composed("checkpoint=x", *off, name="score")
    recipe = resolve(given, fill=lambda plain: seen.append(plain) or filled(plain, OWN))
    assert seen[0]["checkpoint"] == "x"
    assert {recipe[key] for key in ("calibration", "operating_point", "enrolments", "trials")} == {None}
    assert recipe["scoring"] != OWN["scoring"]
    assert recipe["model"] == OWN["model"]


def test_other_recordings_may_be_prepared_otherwise(composed: Callable[..., DictConfig]):
    def prepared(*overrides: str) -> dict[str, Any]:
        return resolve(composed("checkpoint=x", *overrides, name="score"), fill=lambda given: filled(given, OWN))

    assert prepared("sharding.vad=silero", "sharding.trim=all", "sharding.min_duration_s=0.2")["sharding"] == {
        **OWN["sharding"],
        "vad": "silero",
        "trim": "all",
        "min_duration_s": 0.2,
    }
    off = prepared("sharding.vad=none", "sharding.trim=none")
    assert (off["sharding"]["vad"], off["sharding"]["trim"]) == (None, "none")
    assert prepared("sharding.sample_rate=8000")["extends"] == "stores/a"
    assert off["extends"] is None, "that store was prepared as the training was"
    for key, value in {"sample_rate": 16000, "utterances_together": 1}.items():
        with pytest.raises(ValueError, match=rf"got {key}={value}, expected the checkpoint's .*At sharding\.{key}"):
            prepared(f"sharding.{key}={value}")
    with pytest.raises(ValueError, match=r"wrong value: got 'noise', .*At sharding\.vad\."):
        prepared("sharding.vad=noise")


def test_none_is_nothing_in_every_pipeline(composed: Callable[..., DictConfig]):
    assert resolve(composed("calibration=none", "enrolments=none")) == {**resolve(composed()), "calibration": None}
    assert resolve(composed("scores=x", "baseline=none", name="evaluate"))["baseline"] is None
