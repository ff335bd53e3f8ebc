"""What a machine grants: affinity, quotas of cgroups, Slurm's word, limits of the user."""

import os
import resource
from pathlib import Path

import pytest

from avis.engine.workers import machine

GIB = 2**30


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what makes the cgroups that this process is in: ``cgroups("0::/job", {"job/cpu.max": "100000 100000"})``.

    Around them is a machine of 64 CPUs without a batch system.
    """
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)

    def made(own: str, files: dict[str, str]) -> None:
        for path, text in {"proc/self/cgroup": own, **{f"cgroup/{name}": text for name, text in files.items()}}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text + "\n")

    return made


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 64),
        ("0::/", {"cpu.max": "250000 100000"}, 2),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/slurm/job_1/step_0", {"slurm/job_1/cpu.max": "300000 100000", "slurm/job_1/step_0/cpu.max": "max 1"}, 3),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, 4),
        # A container shows its own cgroup as the root, under the path that the host gave it.
        ("4:cpu:/docker/0f1e", {"cpu/cpu.cfs_quota_us": "600000", "cpu/cpu.cfs_period_us": "200000"}, 3),
        ("5:memory:/a\n0::/b", {"unified/b/cpu.max": "700000 100000"}, 7),
        ("0::/", {}, 64),
    ],
)
def test_a_quota_of_any_cgroup_bounds_the_cpus(cgroups, own: str, files: dict[str, str], cpus: int):
    cgroups(own, files)
    assert machine.cpus() == cpus


def test_affinity_and_slurm_bound_the_cpus(cgroups, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    assert machine.cpus() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5})
    assert machine.cpus() == 1


@pytest.mark.parametrize(
    ("own", "files", "gib"),
    [
        ("0::/", {"memory.max": str(3 * GIB)}, 3),
        ("0::/pod/container", {"pod/memory.max": str(2 * GIB), "pod/container/memory.max": "max"}, 2),
        ("9:memory:/job", {"memory/job/memory.limit_in_bytes": str(5 * GIB)}, 5),
        ("9:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, 16),
    ],
)
def test_memory_is_that_of_the_tightest_cgroup(cgroups, monkeypatch, own: str, files: dict[str, str], gib: int):
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIB // 4096}[name])
    cgroups(own, files)
    assert machine.memory_bytes() == gib * GIB
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1024")
    assert machine.memory_bytes() == GIB
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "256")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert machine.memory_bytes() == 768 << 20
    monkeypatch.delenv("SLURM_MEM_PER_CPU")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all there is
    assert machine.memory_bytes() == gib * GIB


def test_threads_are_counted_against_the_tightest_limit(cgroups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (100, 100))
    cgroups("0::/", {"pids.max": "max", "pids.current": "7"})
    for process, (user, threads) in enumerate([(12345, 30), (12345, 12), (0, 500)]):
        (tmp_path / f"proc/{process}").mkdir()
        (tmp_path / f"proc/{process}/status").write_text(f"Name:\tx\nUid:\t{user}\t{user}\nThreads:\t{threads}\n")
    assert machine.threads_left() == (58, "ulimit -u")
    cgroups("0::/", {"pids.max": "27", "pids.current": "7"})
    left, limit = machine.threads_left()
    assert left == 20
    assert "pids.max" in limit
