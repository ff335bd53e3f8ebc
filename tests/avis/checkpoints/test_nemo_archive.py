"""NeMo's archives: read in memory, refused where they are damaged or say what no tensor shows."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.checkpoints.nemo_archive import model_weights
from avis.engine.config import resolve
from avis.models.titanet import TitaNet
from tests.compositions import composed

WEIGHTS = bytes(range(256)) * 40
SETTINGS = """
preprocessor: {normalize: per_feature, window_size: 0.025, window_stride: 0.01, features: 80, dither: 1.0e-05}
encoder: {activation: relu, jasper: [{filters: 8, kernel: [3], stride: [1], dilation: [1], se_context_size: -1}]}
decoder: {num_classes: 7205}
"""


def packed(*files: tuple[str, bytes | str], mode: str = "w:") -> bytes:
    """Return an archive of files; text that begins with ``->`` makes a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            if data.startswith(b"->"):
                member.type, member.linkname, data = tarfile.SYMTYPE, data[2:].decode(), b""
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
@pytest.mark.parametrize("folder", ["", "./"])
def test_weights_are_read(mode: str, folder: str):
    files = [(f"{folder}model_config.yaml", SETTINGS), (f"{folder}model_weights.ckpt", WEIGHTS)]
    assert model_weights(packed(("../../elsewhere", b"x"), *files, mode=mode), "x") == WEIGHTS


def test_what_is_no_archive_is_left():
    assert model_weights(WEIGHTS, "x") is WEIGHTS
    assert model_weights(b"", "x") == b""


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
@pytest.mark.parametrize("kept", [0.04, 0.5])
def test_an_archive_cut_short_is_refused(mode: str, kept: float):
    whole = packed(("model_config.yaml", SETTINGS), ("model_weights.ckpt", WEIGHTS), mode=mode)
    with pytest.raises(ValueError, match=r"damaged archive: got \w+ \(.*\), expected a tar file .* At x\. Fetch"):
        model_weights(whole[: int(len(whole) * kept)], "x")


def test_an_archive_that_unpacks_out_of_nothing_is_refused():
    bomb = packed(("model_config.yaml", SETTINGS), ("model_weights.ckpt", bytes(1 << 26)), mode="w:gz")
    with pytest.raises(ValueError, match=r"damaged archive: got ReadError \(more than \d+ bytes in \d+\)"):
        model_weights(bomb, "x")


@pytest.mark.parametrize("size", [1 << 40, len(WEIGHTS) + 5000])
def test_a_file_longer_than_its_archive_is_refused(size: int):
    member = tarfile.TarInfo("model_weights.ckpt")
    member.size = size
    archive = packed(("model_config.yaml", SETTINGS))[:1024] + member.tobuf() + WEIGHTS
    with pytest.raises(ValueError, match=r"(damaged archive|no model in the archive): got "):
        model_weights(archive, "x")


@pytest.mark.parametrize(
    "settings",
    [
        "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(20)),
        "[" * 5000,
        "!!python/object/apply:os.system [touch canary]",
        "a: &a\n  b: *a\n",
        "a: .nan",
    ],
)
def test_settings_that_are_no_plain_data_are_refused(settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"(unreadable settings|settings are no plain data): got .*At x, model_config"):
        model_weights(packed(("model_config.yaml", settings), ("model_weights.ckpt", WEIGHTS)), "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rest", [b"", b"no deflated stream"])
def test_what_only_begins_like_an_archive_is_refused(rest: bytes):
    with pytest.raises(ValueError, match=r"damaged archive"):
        model_weights(b"\x1f\x8b" + rest, "x")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], "0 files model_config.yaml"),
        ([("model_config.yaml", SETTINGS), ("folder/model_weights.ckpt", WEIGHTS)], "0 files model_weights.ckpt"),
        ([("model_config.yaml", SETTINGS), ("model_weights.ckpt", "->model_weights.ckpt")], "0 files model_weights"),
        ([("model_config.yaml", SETTINGS), *[("model_weights.ckpt", WEIGHTS)] * 2], "2 files model_weights.ckpt"),
    ],
)
def test_an_archive_of_something_else_is_refused(files: list, found: str):
    with pytest.raises(ValueError, match=rf"no model in the archive: got {found}"):
        model_weights(packed(("other", b"x"), *files), "x")


@pytest.mark.parametrize(
    ("said", "instead", "named"),
    [
        ("per_feature", "all_features", "preprocessor.normalize=all_features, expected per_feature"),
        ("0.01,", "0.0125,", "preprocessor.window_stride=0.0125, expected 0.01"),
        ("dither", "preemph: null, dither", "preprocessor.preemph=None, expected 0.97"),
        ("stride: [1]", "stride: [2]", "encoder.jasper.0.stride.0=2, expected 1"),
        ("dilation: [1]", "dilation: 2", "encoder.jasper.0.dilation=2, expected 1"),
        ("size: -1", "size: 256", "encoder.jasper.0.se_context_size=256, expected -1"),
    ],
)
def test_settings_that_no_tensor_shows_are_refused(said: str, instead: str, named: str):
    assert SETTINGS.count(said) == 1
    files = [("model_config.yaml", SETTINGS.replace(said, instead)), ("model_weights.ckpt", WEIGHTS)]
    with pytest.raises(ValueError, match=rf"another model than TitaNet on its features: got {named}\. At x, model_co"):
        model_weights(packed(*files), "x")


@pytest.mark.parametrize("settings", ["a: [", b"\xff\xfe\xfa"])
def test_unreadable_settings_are_refused(settings: bytes | str):
    with pytest.raises(ValueError, match=r"unreadable settings"):
        model_weights(packed(("model_config.yaml", settings), ("model_weights.ckpt", WEIGHTS)), "x")


def titanet() -> TitaNet:
    torch.manual_seed(0)
    return TitaNet(num_mels=80, channels=8, epilog_channels=16, dropout=0.1, embedding_dim=4).eval()


def nemos(model: TitaNet) -> dict[str, Tensor]:
    """Return the weights under NeMo's names, written down apart from the rules that are tested."""
    own = model.state_dict()
    joined = torch.cat([own.pop("pooling.frame.weight"), own.pop("pooling.context.weight")[:, :, None]], dim=1)
    own["pooling.attention_layer.0.conv_layer.weight"] = joined
    own["pooling.attention_layer.0.conv_layer.bias"] = own.pop("pooling.context.bias")
    own["embedding.weight"] = own["embedding.weight"][:, :, None]
    names = {}
    for key, value in own.items():
        old = key.replace("pooling_norm", "decoder.emb_layers.0.0").replace("embedding", "decoder.emb_layers.0.1")
        old = old.replace("pooling.norm", "pooling.attention_layer.0.bn")
        old = old.replace("pooling.attention.", "pooling.attention_layer.2.").replace("pooling.", "decoder._pooling.")
        for conv, first in enumerate((0, 5, 10)):
            old = old.replace(f"convs.{conv}.depthwise", f"mconv.{first}.conv")
            old = old.replace(f"convs.{conv}.pointwise", f"mconv.{first + 1}.conv")
            old = old.replace(f"convs.{conv}.norm", f"mconv.{first + 2}")
        gates = "mconv.3.fc" if key.startswith(("blocks.0.", "blocks.4.")) else "mconv.13.fc"
        old = old.replace("gates.squeeze", f"{gates}.0").replace("gates.excite", f"{gates}.2")
        old = old.replace("projection.0", "res.0.0.conv").replace("projection.1", "res.0.1")
        names[old.replace("blocks.", "encoder.encoder.")] = value
    return names | {"decoder.final.weight": torch.zeros(11, 4)}


@pytest.fixture
def imports(tmp_path: Path) -> Callable[..., str]:
    """Return what packs weights as NeMo does and imports them: ``imports({"decoder...": ...}, "features=...")``."""

    def run(weights: dict[str, Tensor], *overrides: str) -> str:
        buffer = io.BytesIO()
        torch.save(weights, buffer)
        files = [("./model_config.yaml", SETTINGS), ("./model_weights.ckpt", buffer.getvalue())]
        (tmp_path / "titanet.nemo").write_bytes(packed(*files, mode="w:gz"))
        paths = [f"weights={tmp_path}/titanet.nemo", f"checkpoint={tmp_path}/imported.ckpt"]
        recipe = resolve(composed("import_checkpoint", "source=nemo_titanet", *paths, *overrides))
        import_checkpoint(recipe["weights"], recipe["checkpoint"], source=Component(recipe["source"]), recipe=recipe)
        return str(recipe["checkpoint"])

    return run


@torch.inference_mode()
def test_an_archive_becomes_a_checkpoint_of_avis(imports: Callable[..., str]):
    model = titanet()
    path = imports(nemos(model))
    checkpoint = Checkpoint.open(path)
    features = checkpoint.build_front_end().eval()(torch.randn(1, 8000) / 10)
    assert features.shape == (1, 50, 80)
    torch.testing.assert_close(checkpoint.build_model().eval()(features), model(features))


@pytest.mark.parametrize("overrides", [(), ("features=fbank_80",)])
def test_another_front_end_than_the_files_is_refused(imports: Callable[..., str], overrides: tuple[str, ...]):
    """Once the file has a periodic window, once the front end chosen is Kaldi's."""
    window = torch.hann_window(400, periodic=not overrides)
    with pytest.raises(ValueError, match=r"front end is not the checkpoint's: got features with other window"):
        imports(nemos(titanet()) | {"preprocessor.featurizer.window": window}, *overrides)
