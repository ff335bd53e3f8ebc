"""What a shell makes of a command line, and what AVIS makes of that; the rows are those of `pipelines/README.md`."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from avis.engine.command_line import as_typed

README = Path(__file__).parents[3] / "pipelines" / "README.md"
ODD = [
    "1_000",
    "1.0",
    "nan",
    "0x1F",
    "FALSE",
    " x ",
    "a\\",
    'it\'s "so"',
    "'",
    "a(b)",
    "@x",
    "a\nb",
    "[a]",
    "[a",
    "{",
    "x}",
]
ODD += ["s3://b/x?region=eu&y=1", "choice(a,b)", "none"]
HYDRAS = ["run='a b'", 'checkpoint="a,b"', "run=null", "model=resnet34", "trainer.num_epochs=3", "~trials", "--help"]
HYDRAS += ["trainer.speeds=[0.9,1.0]", "operating_point={p_target:0.1,c_fa:1}", "hydra.run.dir=x", "trainer.x=[,"]
ROW = re.compile(r"\| `(?P<typed>[^`]+)` \| (?P<refused>refused: )?(?P<got>`[^`]+`|nothing)")


def rows() -> list[tuple[str, str, bool]]:
    section = README.read_text(encoding="utf-8").partition("## What the shell hands over")[2].partition("\n## ")[0]
    found = [(row["typed"], row["got"].strip("`"), bool(row["refused"])) for row in ROW.finditer(section)]
    assert len(found) == section.count("\n| `"), "a row that is not tried"
    return found


def handed_over(typed: str) -> list[str]:
    """Return what bash makes of some arguments."""
    script = f"printf '%s\\0' {typed}"
    told = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"HOME": "/home/me"})
    return told.stdout.decode().split("\0")[:-1]


def value_of(argument: str) -> Any:
    value = OverridesParser.create().parse_override(argument).value()
    return str(value) if isinstance(value, list | dict) else value


@pytest.mark.parametrize(("typed", "got", "refused"), rows())
def test_the_page_says_what_happens(typed: str, got: str, refused: bool):
    if refused:
        with pytest.raises(ValueError, match=rf"got .*expected .*{re.escape(got)}[., ]"):
            as_typed(handed_over(typed))
        return
    [argument] = as_typed(handed_over(typed))
    assert value_of(argument) == (None if got == "nothing" else got)


@pytest.mark.parametrize("key", ["run", "checkpoint", "corpus.root", "augment.noise_root", "trials.dev", "+x.path"])
@pytest.mark.parametrize("text", ODD)
def test_a_name_or_path_is_what_was_typed(key: str, text: str):
    [argument] = as_typed([f"{key}={text}"])
    assert value_of(argument) == text


@pytest.mark.parametrize("argument", HYDRAS)
def test_other_settings_are_hydra_s_as_they_are(argument: str):
    assert as_typed([argument]) == [argument]


def test_what_hydra_cannot_read_is_text_too():
    assert value_of(*as_typed(["corpus.sources.x.root_of_all=a=b"])) == "a=b"


def test_an_option_may_have_a_word_behind_it_and_sweeps_are_hydra_s():
    assert as_typed(["--cfg", "job", "run=7"]) == ["--cfg", "job", "run='7'"]
    assert as_typed(["-m", "seed=1,2"]) == ["-m", "seed=1,2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trainer.batch_size=1,2"], r"several values: .*Give 'trainer\.batch_size=\[1,2\]'\."),
        (["corpus.root=", "/data"], r"wrong command line: got /data, .* write it as corpus\.root=/data\."),
        (["mine"], r"wrong command line: got mine, .* write it as '<key>=mine'\."),
    ],
)
def test_what_is_wrong_is_shown_right(arguments: list[str], said: str):
    with pytest.raises(ValueError, match=said):
        as_typed(arguments)


def test_ray_quotes_what_its_second_shell_is_handed():
    typed = """'corpus.root=/data/a{1,2} $x' "run=it's" """
    assert handed_over(shlex.join(handed_over(typed))) == ["corpus.root=/data/a{1,2} $x", "run=it's"]
