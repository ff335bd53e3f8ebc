"""A model of another toolkit is imported, scored and exported as a user does it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from avis.lineage import UNKNOWN
from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.pooling import AttentiveStatisticsPooling

RENAMES = [
    ("pooling_norm", "asp_bn.norm"),
    ("aggregation_norm", "mfa.norm.norm"),
    ("aggregation", "mfa.conv.conv"),
    ("pooling.norm", "asp.tdnn.norm.norm"),
    ("pooling.attention", "asp.conv.conv"),
    ("convs.0.", "tdnn1."),
    ("convs.1.groups.", "res2net_block.blocks."),
    ("convs.2.", "tdnn2."),
    ("gates.squeeze", "se_block.conv1.conv"),
    ("gates.excite", "se_block.conv2.conv"),
    ("embedding.", "fc.conv."),
]


def write_speechbrains(path: Path) -> None:
    """Write a small ECAPA-TDNN under SpeechBrain's names and shapes."""
    sizes = {"channels": 8, "embedding_dim": 6, "mfa_channels": 24, "se_channels": 4}
    pooling = partial(AttentiveStatisticsPooling, attention_channels=4)
    torch.manual_seed(0)
    own = EcapaTdnn(num_mels=80, scale=4, stride=1, pooling=pooling, reading="speechbrain", **sizes).state_dict()
    weights = {}
    joined = torch.cat([own.pop("pooling.frame.weight"), own.pop("pooling.context.weight")[:, :, None]], dim=1)
    weights["asp.tdnn.conv.conv.weight"] = joined
    weights["asp.tdnn.conv.conv.bias"] = own.pop("pooling.context.bias")
    for key, value in own.items():
        name = key
        if key.startswith("blocks."):
            _, number, rest = key.split(".", 2)
            name = f"blocks.{int(number) + 1}.{rest}"
        name = name.replace("first.", "blocks.0.")
        for ours, theirs in RENAMES:
            if name.startswith(ours) or (ours.startswith(("convs", "gates")) and ours in name):
                name = name.replace(ours, theirs, 1)
                break
        if name.startswith("blocks.") and "se_block" not in name:
            name = name.replace(".conv.", ".conv.conv.").replace(".norm.", ".norm.norm.")
        pointwise = name.startswith("fc.") or "se_block" in name
        weights[name] = value[:, :, None] if pointwise and value.ndim == 2 else value
    torch.save(weights, path)


def test_an_imported_checkpoint_scores_trials_and_is_exported(
    start: Callable[..., None],
    tiny: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    write_speechbrains(tmp_path / "embedding_model.ckpt")
    files = ["weights=embedding_model.ckpt", "checkpoint=ecapa.ckpt"]
    start("import_checkpoint", "source=speechbrain_ecapa", *files, "sharding.num_validation_speakers=2")
    said = capsys.readouterr().out.splitlines()
    assert said[-3].startswith("EcapaTdnn: num_mels=80, channels=8,")
    assert said[-2] == f"trained on: {UNKNOWN}"
    assert said[-1] == str(tmp_path / "ecapa.ckpt")
    corpus = [override for override in tiny["prepare"] if override.startswith("corpus.")]
    start("score", "checkpoint=ecapa.ckpt", "compute=debug", "corpus=synthetic", *corpus)
    printed = capsys.readouterr().out
    assert "EER" in printed
    assert printed.count(UNKNOWN) == 1
    [page] = tmp_path.rglob("report.html")
    assert page.read_text().count(UNKNOWN) == 2, "a caution, and what was evaluated"
    assert json.loads((page.parent / "metrics.json").read_text())["synthetic"]["trained_on"] == UNKNOWN
    assert not list(tmp_path.glob("*.npz")), "a plain cosine has nothing to keep"
    start("score", "checkpoint=ecapa.ckpt", "compute=debug", "corpus=synthetic", "scoring=cosine", *corpus)
    assert len(list(tmp_path.glob("backend-*.npz"))) == 1, "the mean of the training split"

    start("export", "checkpoint=ecapa.ckpt", "file=ecapa.pt", "format=torchscript")
    said = capsys.readouterr().out.splitlines()
    assert float(said[-2].rpartition(" ")[2]) > 0.9999
    assert torch.jit.load(said[-1])(torch.zeros(1, 8000)).shape == (1, 6)
