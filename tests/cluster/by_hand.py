"""A cluster on the testbed, made by the very lines that cluster/README.md has under "By hand"."""

import re
import shlex
import subprocess

from tests.cluster.testbed import PROJECT, SHARED, Machine, Testbed, wait_for

README, UNIT = PROJECT / "cluster" / "README.md", PROJECT / "cluster" / "avis-ray.service"
TOKEN = "~/.ray/auth_token"
CPUS_OF_ONE = 2
"""Of a machine, as Ray is told: it would count those of this host."""
STARTS_WITHIN_S, JOB_WITHIN_S = 240.0, 900.0


def lines_of(section: str) -> list[str]:
    """Return the lines to type under a heading of the README, continued ones as one, without what explains them."""
    text = re.split(r"\n#+ ", README.read_text().split(f"# {section}\n")[1])[0]
    typed = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    return [re.sub(r"\s+#\s.*", "", line).strip() for line in re.sub(r"\\\n\s*", "", typed).splitlines() if line]


class ByHand:
    """Ray on the first machine of a testbed, which is the head, and on others.

    Parameters
    ----------
    testbed : Testbed
    """

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.head, *self.others = testbed.machines.values()
        self.make_token, self.token_mode, *starts, _, self.submit_line = lines_of("By hand")
        self.of_head, self.of_other = self.ways_to_start(starts)
        self.token = ""
        self.start()

    def ways_to_start(self, typed: list[str]) -> list[str]:
        """Return what is typed to start Ray on the head, and on another machine."""
        return typed

    def start_ray(self, machine: Machine, line: str) -> None:
        """Type it, and wait until Ray has started."""
        machine.run(f"{self.token_mode}\n{line}", timeout_s=STARTS_WITHIN_S)

    def give_token(self, machine: Machine) -> None:
        """Copy the token to a machine."""
        machine.run(f"mkdir ~/.ray && (umask 077; printf %s {self.token} > {TOKEN})")

    def start(self) -> None:
        """Switch the head on, with its token, which is made the first time."""
        self.head.boot()
        if self.token:
            self.give_token(self.head)
        else:
            self.head.run(self.make_token)
            self.token = self.head.run(f"cat {TOKEN}")
        self.start_ray(self.head, self.of_head)
        wait_for(self.num_alive, STARTS_WITHIN_S, "head")

    def add(self, machine: Machine) -> None:
        """Switch a machine on and have it join."""
        before = self.num_alive()
        self.give_token(machine.boot())
        self.start_ray(machine, f"{self.of_other.replace('<head>', self.head.name)} --num-cpus={CPUS_OF_ONE}")
        wait_for(lambda: self.num_alive() > before, STARTS_WITHIN_S, f"{machine.name} in the cluster")

    def num_alive(self) -> int:
        """Return how many machines the head holds for alive."""
        listed = self.head.run(f"{self.token_mode}\nray list nodes --limit 1000", status=None)
        return len(re.findall(r"\bALIVE\b", listed))

    def submit(self, script: str, *settings: str, output_dir: str = SHARED) -> "Job":
        """Submit a pipeline as the README says, with its settings added."""
        where = shlex.quote(f"output_dir='{output_dir}'")
        line = self.submit_line.replace("output_dir=<shared folder>", where).replace("train.py", script)
        return Job(self, f"{self.token_mode}\n{line} {shlex.join(settings)}")


class ByService(ByHand):
    """The same, but Ray is what ``avis-ray.service`` starts, and starts again, as systemd does."""

    def ways_to_start(self, typed: list[str]) -> list[str]:
        return [line.removeprefix("RAY_START=") for line in lines_of("By hand, for long")[:2]]

    def start_ray(self, machine: Machine, line: str) -> None:
        said = [each.split("=", 1) for each in UNIT.read_text().splitlines() if re.match(r"\w+=", each)]
        exported = [f"export {value}" for key, value in said if key == "Environment" and not value.startswith("PATH=")]
        [started] = [value.split("/bin/")[1] for key, value in said if key == "ExecStart"]
        [pause_s] = [value for key, value in said if key == "RestartSec"]
        again = f"while true; do {started.replace('$RAY_START', line)}; sleep {pause_s}; done"
        with self.testbed.new_log(machine.name).open("w") as log:
            machine.start("\n".join([*exported, again]), output=log)


class Job:
    """A job under way, whose output is followed on the head."""

    def __init__(self, cluster: ByHand, command: str) -> None:
        self.log = cluster.testbed.new_log("job")
        with self.log.open("w") as output:
            self.process: subprocess.Popen[str] = cluster.head.start(command, cwd=str(PROJECT), output=output)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, pattern: str, within_s: float = JOB_WITHIN_S) -> re.Match[str]:
        """Wait until it says something."""
        wait_for(lambda: re.search(pattern, self.said) or self.process.poll() is not None, within_s, lambda: self.said)
        found = re.search(pattern, self.said)
        assert found, self.said
        return found

    def status(self, within_s: float = JOB_WITHIN_S) -> int:
        """Return how it ended."""
        wait_for(lambda: self.process.poll() is not None, within_s, lambda: f"end of it: {self.said}")
        return self.process.returncode
