"""The folder of a captioner: what was written comes back, and nothing else is taken for one."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from avis.explain.caption.captioner import Captioner
from avis.explain.caption.folder import read_captioner, write_captioner
from avis.explain.caption.model import CaptionModel, Sizes
from avis.explain.caption.vocabulary import Vocabulary
from avis.explain.faithfulness.statistics import Mean
from avis.verifier import Verifier
from avis.verifier.folder import write_folder

WORTH = {"precision": Mean(value=0.5, interval=(0.25, 0.75), num_trials=8)}
WORTH["precision of the most frequent"] = WORTH["precision"].model_copy(update={"interval": None})


@pytest.fixture
def verifier(parts, tmp_path) -> Verifier:
    write_folder(str(tmp_path / "verifier"), parts)
    return Verifier.load(tmp_path / "verifier")


@pytest.fixture
def folder(verifier) -> Path:
    """Return the folder of a captioner, not taught, of that verifier."""
    torch.manual_seed(0)
    vocabulary = Vocabulary.of(["Median pitch: upper, alike."])
    sizes = Sizes(dim=verifier.dim, num_phrases=len(vocabulary), longest=9, prefix=2, width=8, layers=1)
    captioner = Captioner(CaptionModel(sizes).eval(), vocabulary, WORTH)
    return Path(write_captioner(verifier, captioner, trained_on={"speakers": 2}))


def test_what_was_written_comes_back(verifier, folder):
    assert folder == Path(verifier.path) / "caption"
    read = read_captioner(verifier)
    pairs = torch.randn(3, 2, verifier.dim, generator=torch.Generator().manual_seed(0)).numpy()
    torch.manual_seed(0)
    made = CaptionModel(read.model.sizes).eval()
    assert read.say(pairs) == Captioner(made, read.vocabulary).say(pairs)
    assert read.scores == WORTH
    assert json.loads((folder / "config.json").read_text())["trained_on"] == {"speakers": 2}
    assert read_captioner(Verifier.load(verifier.path)).vocabulary == read.vocabulary


def test_a_verifier_without_one_says_how_it_is_made(verifier, parts):
    for without in (verifier, Verifier(parts)):
        with pytest.raises(ValueError, match=r"no captioner: got a verifier without caption/config\.json.*run=<run>"):
            read_captioner(without)


def test_that_of_another_verifier_is_refused(verifier, folder):
    config = Path(verifier.path) / "config.json"
    config.write_text(config.read_text().replace('"trained_on": "1 speaker"', '"trained_on": "2 speakers"'))
    with pytest.raises(ValueError, match="captioner of another verifier"):
        read_captioner(verifier)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": {"width": 4096}}, r"sizes\.width=4096"),
        ({"sizes": {"width": 16}}, "weights of other names or sizes"),
        ({"sizes": {"num_phrases": 99}}, "3 phrases, 3 of them different, for 99"),
        ({"sizes": {"dim": 3}}, "captioner of another verifier"),
        ({"phrases": ["<script>"] * 3}, r"phrases\.0='<script>'"),
        ({"phrases": ["\x1b[31m"] * 3}, r"phrases\.0="),
        ({"phrases": [" one"] * 3}, "3 phrases, 1 of them different, for 4"),
        ({"phrases": ["x" * 101]}, r"phrases\.0="),
        ({"scores": {}}, "no score precision"),
        ({"scores": {"precision": {"value": float("nan"), "interval": None, "num_trials": 1}}}, "NaN"),
        ({"_target_": "os.system"}, "_target_"),
        ({"format": 2}, "format=2"),
    ],
)
def test_settings_of_strangers_are_refused(verifier, folder, change, message):
    config = json.loads((folder / "config.json").read_text())
    for key, value in change.items():
        config[key] = config[key] | value if key == "sizes" else value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        read_captioner(verifier)


def poisoned(weights):
    weights["to_phrases.bias"][0] = torch.nan
    return weights


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda weights: save(poisoned(weights)), "no finite numbers"),
        (lambda weights: save({name: each.double() for name, each in weights.items()}), "no finite numbers"),
        (lambda weights: save(weights | {"more": torch.zeros(1)}), "other names or sizes"),
        (lambda weights: save(weights)[:-4], "unusable"),
        (lambda weights: b"\xff" * 8 + b"{}", "unusable"),
    ],
)
def test_weights_of_strangers_are_refused(verifier, folder, made, message):
    data = made(load((folder / "caption.safetensors").read_bytes()))
    (folder / "caption.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match="captioner unusable: got bytes of another sum"):
        read_captioner(verifier)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"weights": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(ValueError, match=message):
        read_captioner(verifier)


def test_weights_that_are_gone_are_told(verifier, folder):
    (folder / "caption.safetensors").unlink()
    with pytest.raises(ValueError, match="captioner unusable"):
        read_captioner(verifier)
