"""What this machine grants to this process, which may be far less than it has.

A batch system or a container gives a share by affinity, by cgroups (v1 or v2; a limit of any cgroup above this process
counts), by resource limits, or, where it enforces nothing, by Slurm's variables alone.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
SHARED_MEMORY = "/dev/shm"
UNLIMITED = 2**40


def cpus() -> int:
    """Return how many CPUs this process may keep busy, at least one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota / period for quota, period in _cpu_quotas()]
    return max(1, int(min([affinity, *quotas, *_asked_of_slurm("SLURM_CPUS_PER_TASK")])))


def _cpu_quotas() -> Iterator[list[int]]:
    for folder in _cgroups("cpu"):
        for of_version in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
            if len(times := [us for name in of_version for us in _numbers(folder / name)]) == 2:
                yield times


def memory_bytes() -> int:
    """Return how many bytes of memory this process and its children may fill."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _cgroups("memory"):
        limits += _numbers(folder / "memory.max") + _numbers(folder / "memory.limit_in_bytes")
    for mib in _asked_of_slurm("SLURM_MEM_PER_CPU"):
        limits += [mib * cpus << 20 for cpus in _asked_of_slurm("SLURM_CPUS_ON_NODE")]
    return min([*limits, *(mib << 20 for mib in _asked_of_slurm("SLURM_MEM_PER_NODE"))])


def shared_memory_bytes() -> int:
    """Return the free bytes of shared memory, 0 where there is none to write to."""
    return free_bytes(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else 0


def free_bytes(folder: str) -> int:
    """Return how many bytes this user may write into a folder."""
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize


def open_files() -> int:
    """Allow as many open files as this process may allow itself, and return their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        soft = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def threads_left() -> tuple[int, str]:
    """Return how many threads may still be started, and which limit says so."""
    left = [(UNLIMITED, "unlimited")]
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.getuid() and soft != resource.RLIM_INFINITY:  # root has no such limit
        left.append((soft - _threads_of_user(), "ulimit -u"))
    for folder in _cgroups("pids"):
        for most, now in zip(_numbers(folder / "pids.max"), _numbers(folder / "pids.current"), strict=False):
            left.append((most - now, f"{folder}/pids.max (docker run --pids-limit)"))
    return min(left)


def _threads_of_user() -> int:
    threads = 0
    for status in PROC.glob("[0-9]*/status"):
        fields = dict(line.partition(":\t")[::2] for line in _read(status).splitlines())
        if fields.get("Uid", "").split()[:1] == [str(os.getuid())]:
            threads += int(fields["Threads"])
    return threads


def _cgroups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's cgroups, v1's of a controller and v2's, and of all above them.

    Inside a container the path that the kernel names may be the host's; what is seen of it then lies at the root.
    """
    for line in _read(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        mounts = [CGROUPS / controller] * (controller in controllers.split(","))
        for mount in mounts if controllers else [CGROUPS, CGROUPS / "unified"]:
            own = Path(path.lstrip("/"))
            yield from dict.fromkeys(mount / folder for folder in (own, *own.parents))


def _numbers(file: Path) -> list[int]:
    """Return the numbers in a file; "max", -1 and a file that is missing have none."""
    words = _read(file).split()
    return [int(word) for word in words] if all(word.isdecimal() for word in words) else []


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _asked_of_slurm(name: str) -> list[int]:
    value = os.environ.get(name, "")
    return [int(value)] if value.isdecimal() and int(value) else []  # 0 is all there is
