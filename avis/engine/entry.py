"""Start a pipeline from the command line: compose its configuration, run it, and say in one message what went wrong.

A user's error ends with its message alone. What counts as one: a wrong command line or configuration, a file or storage
that cannot be read or written, and a ValueError worded as all of AVIS's are (``rule broken: got ..., expected ...``),
wherever it was raised, a worker included. Any other error is a bug and shows its traceback.

On import the command line of the script that runs is composed once, so that a wrong key or choice is said before the
script goes on to import Ray and Lightning, which takes seconds.
"""

import functools
import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.text import Text

from avis import location
from avis.engine.command_line import OVERRIDE, as_typed
from avis.engine.suggestions import explain
from avis.engine.workers.ray_log import MESSAGES
from avis.engine.workers.stopping import STOPPING
from avis.starting import PIPELINES, as_started
from avis.structured_log import LOG

FULL_ERROR = "HYDRA_FULL_ERROR"
"""Environment variable; at 1 every error keeps its traceback."""

EXIT_ERROR = 1

MAIN_JOB = "train"
"""The pipeline whose runs have names, so that several may be started by one command, and which has several stages."""

OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")
"""Python's, torch's and Ray's own names for it."""

WORDED = re.compile(r".+: got .*\bexpected\b|Config group override must be|Only one of --run", re.DOTALL)
"""As AVIS words errors, or Hydra those of which it makes no class."""


def _end_early(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say no more of Ctrl-C than that, while a script still imports what it needs."""
    if issubclass(kind, KeyboardInterrupt) and os.environ.get(FULL_ERROR) != "1":
        _say("stopped", level="warning")
    else:
        with LOG.as_one("error"):
            sys.__excepthook__(kind, error, trace)


sys.excepthook = _end_early


def pipeline(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Return a decorator that makes a pipeline's function the entry of its script.

    Parameters
    ----------
    config_name : str
        A file in ``configs``. The script's docstring is what ``--help`` begins with.
    """

    def decorate(main: Callable[[DictConfig], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def start() -> None:
            show_tracebacks = os.environ.get(FULL_ERROR) == "1"
            LOG.run, LOG.stage = None, None if config_name == MAIN_JOB else config_name
            with STOPPING.listening():
                try:
                    sys.argv[1:] = as_typed(sys.argv[1:])
                    if not _run_several(main, config_name):
                        _run(main, config_name)
                        _say_what_it_takes(main, config_name)
                except BaseException as error:
                    if show_tracebacks:
                        raise
                    _end(error, _configs(main), config_name)

        return start

    return decorate


def _run_several(main: Callable[[DictConfig], None], config_name: str) -> bool:
    """Start the runs that one command line of the main job stands for, if those are several."""
    if config_name != MAIN_JOB or not {"-m", "--multirun"} & set(sys.argv[1:]):
        return False
    from avis.engine.multirun import is_multirun, run_all  # costs seconds, which other pipelines need not spend

    if several := is_multirun(sys.argv[1:]):
        run_all(sys.argv[1:], _configs(main), config_name)
    return several


def _run(main: Callable[[DictConfig], None], config_name: str) -> None:
    """Compose and run; raise whatever comes up as it is, which Hydra only does where tracebacks are asked for."""
    failed: list[BaseException] = []

    @functools.wraps(main)
    def task(cfg: DictConfig) -> None:
        try:
            _run_composed(main, cfg)
        except BaseException as error:
            failed.append(error)  # Hydra would print a line of its own on the way

    OmegaConf.register_new_resolver("docstring", lambda: as_started(main.__globals__["__doc__"].rstrip()), replace=True)
    asked = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        hydra.main(config_path=str(_configs(main)), config_name=config_name, version_base="1.3")(task)()
    finally:
        os.environ.pop(FULL_ERROR) if asked is None else os.environ.update({FULL_ERROR: asked})
    if failed:
        raise failed[0]


def _say_what_it_takes(main: Callable[[DictConfig], None], config_name: str) -> None:
    """Print behind the configuration that ``--cfg job`` shows, as comments of it, what a training of it would take."""
    arguments = sys.argv[1:]
    shown = {*itertools.pairwise(arguments), *(tuple(each.split("=", 1)) for each in arguments)}
    asked = {("--cfg", "job"), ("-c", "job")} & shown and not {"-p", "--package"} & {*arguments}
    if config_name != MAIN_JOB or not asked or any(argument.startswith("resume=") for argument in arguments):
        return
    from avis.engine.estimate import estimate  # costs seconds, which other pipelines need not spend

    settings = [argument for argument in arguments if OVERRIDE.fullmatch(argument) or argument.startswith("~")]
    try:
        lines = estimate(settings, _configs(main), config_name)
    except (ValueError, OmegaConfBaseException) as error:
        lines = [f"nothing can be said yet: {line}" for line in str(error).splitlines()[:1]]
    print("\n# What it would take, by rates of pipelines/benchmarks/README.md and what `rates` says:")
    print("\n".join(f"# {line}" for line in lines), flush=True)


def _configs(main: Callable[[DictConfig], None]) -> Path:
    return _configs_of(main.__code__.co_filename)


def _configs_of(script: str) -> Path:
    return Path(script).resolve().parent.parent / "configs"


def _refuse_early(script: str, arguments: list[str]) -> None:
    """End where the command line of a pipeline's script does not compose; options such as --help are left to Hydra."""
    configs, name = _configs_of(script), Path(script).stem
    is_pipeline = Path(script).resolve() == PIPELINES / f"{name}.py" and (configs / f"{name}.yaml").is_file()
    if not is_pipeline or any(argument.startswith("-") for argument in arguments):
        return
    try:
        with initialize_config_dir(str(configs), version_base="1.3"):
            LOG.start(compose(name, as_typed(arguments)).log)
    except (ValueError, HydraException, OmegaConfBaseException) as error:
        if os.environ.get(FULL_ERROR) == "1":
            raise
        _end(error, configs, name)


def _run_composed(main: Callable[[DictConfig], None], cfg: DictConfig) -> None:
    with open_dict(cfg):
        verbose, log = cfg.pop("verbose"), cfg.pop("log")  # of this console, not of the recipe
        cfg.pop("rates", None)  # of estimates
    LOG.start(log)
    if not isinstance(verbose, bool):
        raise ValueError(f"wrong value: got {verbose!r}, expected true or false. At verbose. Correct the value.")
    output_dir = location.absolute(str(cfg.output_dir))
    _check_folder(output_dir)
    if not verbose:
        MESSAGES.write_below(output_dir)
    try:
        main(cfg)
    finally:
        MESSAGES.stop()


def _check_folder(path: str) -> None:
    """Refuse a local folder where a file lies, or that would be below one."""
    above = [] if location.is_uri(path) else [Path(path), *Path(path).parents]
    there = next((folder for folder in above if folder.exists()), None)
    if there and not there.is_dir():
        raise ValueError(
            f"folder is a file: got output_dir={path}, expected a folder, or a new name for one. At {there}. "
            "Choose another output_dir."
        )


def _end(error: BaseException, configs: Path, config_name: str) -> NoReturn:
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, BrokenPipeError):  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    if isinstance(error, KeyboardInterrupt):
        by = f" by {STOPPING.told_by}" if STOPPING.told_by else ""
        _say(str(error) or f"stopped{by}", level="warning")
        sys.exit(STOPPING.exit_status)
    if type(error).__name__ in OUT_OF_MEMORY:
        message = str(error).partition("\n")[0] or type(error).__name__
        _say(f"out of memory: got {message}. Lower trainer.batch_size, or take a larger machine.")
    elif is_users(error):
        _say(explain(error, configs, config_name, sys.argv[1:]))
    else:
        with LOG.as_one("error"):
            traceback.print_exception(error)
        enclosed = f", your command and {MESSAGES.uri}" if MESSAGES.uri else " and your command"
        _say(f"a bug of AVIS, not a mistake of yours: please report it with the lines above{enclosed}.")
    sys.exit(EXIT_ERROR)


def is_users(error: BaseException) -> bool:
    """Return whether an error is of the command, the configuration, the data or the machine rather than of the code."""
    if isinstance(error, OSError | HydraException | OmegaConfBaseException):
        return True
    if isinstance(error, ImportError):
        return "pip install" in str(error)
    return isinstance(error, ValueError) and WORDED.match(str(error)) is not None


def _say(message: str, *, level: str = "error") -> None:
    """Print a message to standard error, on a terminal with what it is about in red."""
    about, colon, rest = message.partition(":")
    with LOG.as_one(level):
        Console(stderr=True).print(Text.assemble((about + colon, "bold red"), rest), soft_wrap=True)


_refuse_early(getattr(sys.modules["__main__"], "__file__", None) or "", sys.argv[1:])
