"""Slurm as Debian packs it, on machines of our own making: one controls, the others work."""

import os
import re
import shlex
import shutil
from pathlib import Path

from tests.cluster.testbed import PROJECT, SHARED, Machine, Testbed, wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol")
CONTROLLER, NODES = "login", ("node1", "node2", "node3")
STOP, CANCEL = "scancel --batch --signal=USR1 <job>", "scancel <job>"
STATUS = r"""srun --jobid=<job> --overlap --nodes=1 --ntasks=1 --relative=0 \
        bash -c 'source /tmp/avis-$SLURM_JOB_ID/environment && ray status'"""
"""Lines of the README."""

RUN = "/run/slurm"
CONF = f"{SHARED}/slurm/slurm.conf"

SETTINGS = """
ClusterName=testbed
SlurmctldHost={controller.name}({controller.address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5 # also how soon a job that was put back may start
StateSaveLocation={RUN}
SlurmdSpoolDir={RUN}
SlurmctldPidFile={RUN}/slurmctld.pid
SlurmdPidFile={RUN}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
SlurmdTimeout=20
KillWait=30
ReturnToService=2
{nodes}
PartitionName=all Nodes=ALL Default=YES
"""
NODE = "NodeName={node.name} NodeAddr={node.address} CPUs=4 RealMemory=16000 Gres=gpu:1"
GPU = "Name=gpu File=/dev/null"
"""One that Slurm counts and gives away; it computes nothing."""

DAEMON = """
(echo 127.0.1.1 $(hostname); cat /etc/hosts) > /run/hosts && mount --bind /run/hosts /etc/hosts # as Debian has it
mkdir -p /run/munge {RUN}
install -m 600 {key} /run/munge/key
munged --force --key-file /run/munge/key --pid-file /run/munge/pid --seed-file /run/munge/seed --log-file /run/munge/log
taskset --cpu-list {cores} {daemon} -L {RUN}/log # as many as it gives away, and not one, as other processes here
"""


def missing() -> str | None:
    """Return what keeps this host from running Slurm, None if nothing does."""
    lacking = [program for program in PROGRAMS if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")]
    return f"no {', '.join(lacking)} (slurmctld, slurmd, slurm-client, munge)" if lacking else None


class Slurm:
    """A cluster that takes jobs; its nodes have four CPUs, 16 GB and a GPU each, as far as Slurm knows."""

    def __init__(self, folder: Path) -> None:
        self.bed = Testbed(folder, CONTROLLER, *NODES)
        self.bed.env["SLURM_CONF"] = CONF
        self.nodes = [self.bed[name] for name in NODES]
        conf = self.on_shared(CONF)
        conf.parent.mkdir()
        nodes = "\n".join(NODE.format(node=node) for node in self.nodes)
        conf.write_text(SETTINGS.format(controller=self.bed[CONTROLLER], RUN=RUN, nodes=nodes))
        conf.with_name("gres.conf").write_text(GPU + "\n")
        self.key = conf.with_name("munge.key")
        self.key.write_bytes(os.urandom(1024))
        self._boot(self.bed[CONTROLLER], "slurmctld")
        for node in self.nodes:
            self.boot(node)

    def on_shared(self, path: str) -> Path:
        """Return where a file that all machines share lies on this one."""
        return self.bed.shared / Path(path).relative_to(SHARED)

    def _boot(self, machine: Machine, daemon: str) -> None:
        key = f"{SHARED}/{self.key.relative_to(self.bed.shared)}"
        cores = ",".join(map(str, os.sched_getaffinity(0)))
        machine.boot().run(DAEMON.format(RUN=RUN, key=key, cores=cores, daemon=daemon))

    def boot(self, node: Machine) -> None:
        """Switch a node on, and wait until jobs may have it."""
        self._boot(node, "slurmd")
        wait_for(lambda: "idle" in self.run(f"sinfo -h -o %t -n {node.name}"), 60, f"{node.name} idle")

    def run(self, command: str) -> str:
        """Run a command as a user does who has logged in, in the project's folder."""
        return self.bed[CONTROLLER].run(command, cwd=str(PROJECT))

    def submit(self, options: str, overrides: list[str]) -> str:
        """Submit a training, and return the job's number."""
        options = f"--output={SHARED}/%j.log {options}"
        said = self.run(f"sbatch {options} cluster/slurm.sbatch {shlex.join(overrides)}")
        return said.split()[-1]

    def said(self, job: str) -> str:
        """Return what a job has printed."""
        log = self.on_shared(f"{SHARED}/{job}.log")
        return log.read_text() if log.exists() else ""

    def of(self, job: str, field: str) -> str:
        """Return what Slurm has to say of a job."""
        return re.search(rf"\b{field}=(\S*)", self.run(f"scontrol show job {job}"))[1]

    def wait_for_state(self, job: str, state: str, timeout_s: float) -> None:
        """Wait until a job is in a state."""
        wait_for(lambda: self.of(job, "JobState") == state, timeout_s, lambda: f"{state} job\n{self.said(job)}")

    def left(self, node: Machine) -> str:
        """Return what jobs have left on a node: files, and processes beside Slurm's own."""
        files = node.run("ls -A /tmp /dev/shm")
        processes = node.run("ps -eo stat=,args= | grep -E 'ray|train.py|slurmstepd' | grep -vE '^Z|grep'", status=None)
        return files.replace("/tmp:", "").replace("/dev/shm:", "").strip() + processes

    def close(self) -> None:
        """Switch everything off."""
        self.bed.close()
