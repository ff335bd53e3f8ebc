"""A process in odd surroundings: a user without a name, streams that are closed, a launcher around it."""

import getpass
import io
import os
import pwd
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment

from avis.engine.workers.process_setup import adapt, limit_threads, setup_worker


def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch):
    def no_name() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setattr(getpass, "getuser", no_name)
    adapt()
    assert os.environ["USER"] == f"uid-{os.getuid()}"


def test_a_user_without_a_home_gets_one_in_which_nothing_is(monkeypatch: pytest.MonkeyPatch):
    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if name != "HOME"})
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    with pytest.raises(RuntimeError, match="home"):
        Path("~/results").expanduser()
    adapt()
    assert not Path("~/results").expanduser().parent.exists()


def test_letters_that_a_console_lacks_are_spelt_out(monkeypatch: pytest.MonkeyPatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    adapt()
    print("Zoë", flush=True)
    assert console.buffer.getvalue() == b"Zo\\xeb\n"


def test_a_closed_stream_is_opened(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", None)
    adapt()
    with sys.stdin as opened:
        assert opened.read() == ""


def test_ranks_of_a_launcher_are_set_aside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name, value in {"RANK": "3", "WORLD_SIZE": "8", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "17"}.items():
        monkeypatch.setenv(name, value)
    adapt()
    assert not {"RANK", "WORLD_SIZE", "SLURM_NTASKS"} & set(os.environ)
    assert os.environ["SLURM_JOB_ID"] == "17"
    assert "RANK=3: whoever starts AVIS several times" in capsys.readouterr().err


def test_a_worker_has_no_rank_of_the_node_that_srun_started(monkeypatch: pytest.MonkeyPatch):
    of_a_node = {"SLURM_JOB_NAME": "avis", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "RAY_ADDRESS": "192.0.2.1:1"}
    for name, value in of_a_node.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="192.0.2.2:6379"))
    assert SLURMEnvironment.detect()
    setup_worker()
    assert not SLURMEnvironment.detect()
    assert "SLURM_PROCID" not in os.environ


def test_torch_takes_no_more_threads_than_granted():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        limit_threads(4)
        assert torch.get_num_threads() == 2
        limit_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
