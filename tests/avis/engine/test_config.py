"""Configurations: wrong ones are refused before anything starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from avis.engine.config import check_composed, fill, resolve

CONFIGS = Path(__file__).parents[3] / "configs"


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
        ("trainer.precision=16", r"wrong value: got 16, .*bf16-mixed.*At trainer\.precision\."),
        ("trainer.precision=fp16", r"got 'fp16', expected one of auto, 32-true, 16-mixed, .*, 64-true\. At trainer"),
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
        ("compute.num_workers=0", r"wrong value: got 0, expected int or list or null .*At compute\.num_workers\."),
        ("compute.data_cpus=0", r"wrong value: got 0, expected int or null \(.*than 0\)\. At compute\.data_cpus\."),
        ("compute.data_cpus=0", r"wrong value: got 0, .*greater than 0.*At compute\.data_cpus\."),
        ("sharding.max_reject_share=2", r"wrong value: got 2, expected float .*At sharding\.max_reject_share\."),
        ("+corpus.num_speakers=3", r"unknown key: got corpus\.num_speakers, which nothing reads.*At corpus\.num"),
        ("+scheduler.margins=3", r"unknown key: got scheduler\.margins, .*expected one of learning_rate, margin\."),
        ("+augment.noise_roots=a", r"unknown key: got augment\.noise_roots, which nothing reads"),
        ("seed=-1", r"wrong value: got -1, .*At seed\."),
        ("trials=[a,b]", r"wrong value: got \['a', 'b'\], .*At trials\."),
        ("start_from=5", r"wrong value: got 5, .*At start_from\."),
        ("operating_point=0.1", r"wrong value: got 0\.1, .*At operating_point\."),
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


OWN = {
    "calibration": {"trials": "own.txt"},
    "operating_point": {"p_target": 0.5},
    "enrolments": "own.csv",
    "scoring": {"backend": 1},
    "augment": {"chain": None},
    "features": {"placement": "stream"},
    "trainer": {"crop_s": 1.0},
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
    as_its_own = fill(check_composed(composed("checkpoint=x", name="score")), OWN)
    assert {key: as_its_own[key] for key in OWN} == OWN
    assert as_its_own["trials"] is None
    off = ["calibration=none", "operating_point=none", "enrolments=none", "trials=none", "scoring=wccn"]
    recipe = fill(check_composed(composed("checkpoint=x", *off, name="score")), OWN)
    assert recipe["checkpoint"] == "x"
    assert {recipe[key] for key in ("calibration", "operating_point", "enrolments", "trials")} == {None}
    assert recipe["scoring"] != OWN["scoring"]
    assert recipe["model"] == OWN["model"]


def test_other_recordings_may_be_prepared_otherwise(composed: Callable[..., DictConfig]):
    def prepared(*overrides: str) -> dict[str, Any]:
        return fill(check_composed(composed("checkpoint=x", *overrides, name="score")), OWN)

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
