"""Relative paths in a submitted job; and what of this project is uploaded with one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from omegaconf import DictConfig
from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import create_package

from avis.engine.config import resolve

PROJECT = Path(__file__).parents[3]
FOLDERS = {".ci", "avis", "cluster", "configs", "pipelines", "tests"}
NOT_UPLOADED = (".git", ".venv", "outputs", "build", "avis.egg-info", ".ruff_cache", ".mypy_cache", ".pytest_cache")
LIMIT_BYTES = 100 * 2**20
"""What the dashboard of Ray 2.60 takes."""

ABROAD = "output_dir=s3://bucket/out"
FOLDER = ("corpus=folder", "corpus.split=train")


@pytest.fixture
def in_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_0123456789abcdef"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("overrides", "refused"),
    [
        ((), "output_dir=outputs"),
        (("output_dir=../out",), "output_dir=../out"),
        ((ABROAD, *FOLDER, "corpus.root=data/train"), "corpus.root=data/train"),
        ((ABROAD, "corpus=voxceleb", "corpus.vox2_dev_root=/a", "corpus.vox1_root=b"), "corpus.vox1_root=b"),
        ((ABROAD, "corpus=unlabelled", "corpus.audio=calls"), "corpus.audio=calls"),
        ((ABROAD, "corpus=manifest", "corpus.path=list.csv"), "corpus.path=list.csv"),
        (
            (ABROAD, "augment=recorded", "augment.noise_root=musan", "augment.rir_root=/rirs"),
            "augment.noise_root=musan",
        ),
    ],
)
def test_relative_paths_of_audio_and_outputs_are_refused(in_upload, composed, overrides: tuple[str, ...], refused: str):
    key = refused.partition("=")[0]
    with pytest.raises(ValueError, match=f"relative path in a submitted job: got {refused}, .* At {key}. Give {key}="):
        resolve(composed(*overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        (ABROAD,),  # the synthetic voices lie below it
        ("output_dir=/mnt/out", *FOLDER, "corpus.root='~/data'"),
        (ABROAD, *FOLDER, "corpus.root=gs://bucket/data", "trials=lists/trials.txt"),
        (ABROAD, "corpus=manifest", "corpus.path=list.csv", "corpus.root=/data"),
    ],
)
def test_other_paths_are_taken(in_upload, composed: Callable[..., DictConfig], overrides: tuple[str, ...]):
    assert resolve(composed(*overrides))


def test_elsewhere_relative_paths_mean_what_they_always_do(composed: Callable[..., DictConfig]):
    assert resolve(composed(*FOLDER, "corpus.root=data"))["corpus"]["root"] == "data"


def test_what_is_made_here_is_not_uploaded(tmp_path: Path):
    project = tmp_path / "project"
    for folder in sorted(FOLDERS):
        shutil.copytree(PROJECT / folder, project / folder)
    for file in (path for path in PROJECT.iterdir() if path.is_file() and path.name != ".git"):
        shutil.copy(file, project)
    for folder in NOT_UPLOADED:
        (project / folder).mkdir()
        (project / folder / "large").write_bytes(b"x")
    package = tmp_path / "package.zip"
    create_package(str(project), package, include_gitignore=True, excludes=get_runtime_env_default_excludes())
    uploaded = ZipFile(package).namelist()
    assert {name.partition("/")[0] for name in uploaded if "/" in name} == FOLDERS
    assert "pipelines/train.py" in uploaded
    assert not [name for name in uploaded if "__pycache__" in name]
    assert package.stat().st_size < LIMIT_BYTES / 10
