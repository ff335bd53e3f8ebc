"""Teaching a captioner alone: a run's name in, a captioner beside its verifier out, and what it is worth."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_gets_a_captioner_and_a_table_of_what_it_is_worth(
    main_job: tuple[Path, str], start: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    outputs = Path(shutil.copytree(main_job[0] / "outputs", tmp_path / "outputs"))
    start("caption", "compute=debug", "run=first", f"output_dir={outputs}", "num_pairs=6", "num_steps=2")
    *table, folder = capsys.readouterr().out.splitlines()
    assert Path(folder) == outputs / "runs" / "first" / "verifier" / "caption"
    assert {path.name for path in Path(folder).iterdir()} == {"config.json", "caption.safetensors"}
    told = "\n".join(table)
    for name in ("precision", "precision of the most frequent", "followed", "kept"):
        assert re.search(rf"^{name}: \d\.\d{{3}}( \[\d\.\d{{3}}, \d\.\d{{3}}\])?, \d+ pairs$", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], r"which model: got run=None"),
        (["run=nobody"], r"no model: .*nobody"),
        (["run=first", "num_pairs=0"], "At num_pairs"),
    ],
)
def test_what_makes_no_sense_is_told(start: Callable[..., None], tmp_path: Path, asked: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        start("caption", "compute=debug", f"output_dir={tmp_path}", *asked)
