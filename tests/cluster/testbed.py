"""Machines of our own making: namespaces of Linux that see no more of each other than machines on one network do.

Each has a name, an address, processes, ``/tmp``, ``/run``, ``/dev/shm`` and a home of its own. They have the network in
common, `SHARED`, a file system that is mounted on all of them, and the disk beneath, on which AVIS is installed. What
runs on them ends with the test process, however that ends.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).parents[2]
SHARED, HOME = "/mnt/avis", str(Path.home())
KEPT = tuple(dict.fromkeys(map(str, (PROJECT, Path(sys.prefix), Path(sys.base_prefix)))))
"""Folders of this host that all machines see, wherever these lie."""
NETWORK = "10.77.0"
TOOLS = ("ip", "nsenter", "setpriv", "taskset", "unshare")
PRIVATE = ("--net", "--uts", "--ipc", "--pid", "--mount")
BOOTS_WITHIN_S = 20.0

BOOT = r"""
set -e
exec 3<{shared} 4<{hosts}
number=5
for folder in {kept}; do eval "exec $number<$folder"; number=$((number + 1)); done
for folder in /mnt /tmp /run /dev/shm {home}; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
mount_at() {{ mkdir -p $2 && mount -c --bind /proc/self/fd/$1 $2; eval "exec $1<&-"; }}
mount_at 3 {SHARED}
number=5
for folder in {kept}; do mount_at $number $folder; number=$((number + 1)); done
mount -c --bind /proc/self/fd/4 /etc/hosts
mount --bind /dev/null /etc/resolv.conf
hostname {name}
ip link set lo up
chmod 755 {home}
touch /run/booted
trap : CHLD
while true; do sleep 3600 & wait || true; done
"""
"""The first process of a machine, which buries those whose parents are gone."""


def missing() -> str | None:
    """Return what keeps this host from making machines, None if nothing does."""
    if lacking := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"no {', '.join(lacking)} (iproute2, util-linux)"
    mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    tried = subprocess.run(["unshare", *PRIVATE, "--fork", *mount], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


def wait_for(ready: Callable[[], object], timeout_s: float, what: str | Callable[[], str]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline, f"after {timeout_s} s no {what if isinstance(what, str) else what()}"
        time.sleep(0.2)


def _namespace(*command: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a process in namespaces of its own; return what started it, and its id."""
    outer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *command], stdin=subprocess.DEVNULL)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    wait_for(lambda: children.exists() and children.read_text(), BOOTS_WITHIN_S, "process in a namespace")
    return outer, int(children.read_text().split()[0])


class Machine:
    """One machine; it is off until `boot`."""

    def __init__(self, testbed: "Testbed", name: str, number: int) -> None:
        self.testbed, self.name, self.number = testbed, name, number
        self.address = f"{NETWORK}.{number}"
        self.core = sorted(os.sched_getaffinity(0))[number % len(os.sched_getaffinity(0))]
        self._outer: subprocess.Popen[bytes] | None = None

    @property
    def is_on(self) -> bool:
        return self._outer is not None

    def boot(self) -> "Machine":
        """Switch it on: with its name and address, on the network, with nothing running."""
        bed = self.testbed
        places = {"shared": str(bed.shared), "hosts": str(bed.hosts), "SHARED": SHARED, "home": HOME, "name": self.name}
        quoted = {key: shlex.quote(value) for key, value in places.items()}
        script = BOOT.format(**quoted, kept=shlex.join(KEPT))
        private = [*PRIVATE, "--fork", "--kill-child", "--mount-proc"]
        self._outer, self._init = _namespace(*private, "bash", "-c", script)
        wait_for(lambda: self._try("test", "-e", "/run/booted"), BOOTS_WITHIN_S, f"{self.name} booted")
        bed.plug_in(self.name, self._init)
        own = f"ip addr add {self.address}/24 dev eth0 && ip link set eth0 up && ip route add default via {NETWORK}.254"
        self.run(own)
        return self

    def power_off(self) -> None:
        """Take its power away: every process ends at once, and what was not on `SHARED` is lost."""
        if self._outer:
            self._outer.kill()
            self._outer.wait()
            self._outer = None
            self.testbed.unplugged(self.name)

    def link(self, state: str) -> None:
        """Take its cable out (``"down"``) or put it in again (``"up"``)."""
        self.testbed.switch(f"ip link set {self.name} {state}")

    def start(self, command: str, *, cwd: str = HOME, output: IO[str] | int | None = None) -> subprocess.Popen[str]:
        """Start lines of a shell in the background."""
        return subprocess.Popen(
            [*self._inside(), "bash", "-c", f"cd {shlex.quote(cwd)}\n{command}"],
            env=self.testbed.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def run(self, command: str, *, cwd: str = HOME, timeout_s: float = 120, status: int | None = 0) -> str:
        """Run lines of a shell, and return what they print; ``status`` is the expected one, None any."""
        log = self.testbed.new_log(self.name)
        with log.open("w") as output:  # a file, since processes that are left running keep it open
            done = self.start(command, cwd=cwd, output=output)
            try:
                done.wait(timeout_s)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{self.name}: {command}\nnot within {timeout_s} s\n{log.read_text()}") from None
        assert status in (None, done.returncode), f"{self.name}: {command}\n{done.returncode}\n{log.read_text()}"
        return log.read_text()

    def _inside(self) -> list[str]:
        entered = ["nsenter", f"--target={self._init}", *PRIVATE]
        return ["taskset", "--cpu-list", str(self.core), *entered]

    def _try(self, *command: str) -> bool:
        assert self._outer
        assert self._outer.poll() is None, f"{self.name} went off as it booted"
        return subprocess.run([*self._inside(), *command], capture_output=True).returncode == 0


class Testbed:
    """Machines on one switch.

    Parameters
    ----------
    folder : Path
        Holds what the machines share, and logs.
    *names : str
        Of the machines, which are made but not switched on.
    """

    __test__ = False

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder, self.shared, self.hosts = folder, folder / "shared", folder / "hosts"
        self.shared.mkdir(parents=True)
        self.shared.chmod(0o777)
        self.machines = {name: Machine(self, name, number) for number, name in enumerate(names, 1)}
        lines = ["127.0.0.1 localhost", *(f"{machine.address} {name}" for name, machine in self.machines.items())]
        self.hosts.write_text("\n".join(lines) + "\n")
        kept = {key: value for key, value in os.environ.items() if key in ("LANG", "TERM")}
        path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.env = {**kept, "PATH": path, "HOME": HOME, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        self._logs = 0
        self._outer, self._switch = _namespace("--net", "--fork", "--kill-child", "sleep", "infinity")
        self.switch(f"ip link add bridge type bridge && ip addr add {NETWORK}.254/24 dev bridge")
        self.switch("ip link set bridge up && ip link set lo up")

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def switch(self, command: str) -> None:
        """Run lines of a shell where the cables meet."""
        subprocess.run(["nsenter", f"--target={self._switch}", "--net", "bash", "-ec", command], check=True)

    def plug_in(self, name: str, process: int) -> None:
        """Lay a cable from the switch to a machine, given by its first process."""
        self.switch(
            f"ip link add {name} type veth peer name eth0 netns {process}\n"
            f"ip link set {name} master bridge && ip link set {name} up"
        )

    def unplugged(self, name: str) -> None:
        """Wait until the cable of a machine that went off is gone."""
        gone = f"while ip link show {name} >/dev/null 2>&1; do sleep 0.1; done"
        self.switch(f"timeout 20 bash -c {shlex.quote(gone)}")

    def new_log(self, name: str) -> Path:
        """Return a file for the output of one command."""
        self._logs += 1
        return self.folder / f"{self._logs:03d}-{name}.log"

    def close(self) -> None:
        """Switch everything off."""
        for machine in self.machines.values():
            machine.power_off()
        self._outer.kill()
        self._outer.wait()
