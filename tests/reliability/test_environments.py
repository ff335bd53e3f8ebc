"""Places that a run may find itself in, each made in namespaces of its own around a tiny pipeline with a private Ray.

python -m pytest -m slow tests/reliability/test_environments.py
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

PROJECT = Path(__file__).parents[2]
APART = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Mounts and processes of one's own: whatever is still there in the end ends with it."""

# Reads what root may read, so that Python may lie anywhere, and writes only what is this user's.
STRANGER = (
    "setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
)
OTHER_RAY = """
import sys, time, ray
context = ray.init(address="local", num_cpus=1, dashboard_port=8278, object_store_memory=100_000_000)
open(sys.argv[1], "w").write(context.address_info["address"])
time.sleep(600)
"""
TIMEOUT_S = 500


def can_unshare() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "setpriv", "ip", "taskset"))
    return (
        tools and subprocess.run([*APART, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
    )


pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray_session"),  # one Ray at a time
    pytest.mark.skipif(not can_unshare(), reason="needs root's right to make namespaces (unshare), and iproute2"),
]


@dataclass(frozen=True)
class Place:
    """What is different there: shell that makes it, a command around the pipeline's, variables (None: unset)."""

    name: str
    made_by: str = ""
    within: str = ""
    variables: dict[str, str | None] = field(default_factory=dict)
    says: str = ""
    refused: bool = False
    apart: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


OF_ANOTHER_RAY: dict[str, str | None] = {
    "RAY_ADDRESS": "http://127.0.0.1:1",
    "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:1",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN_PATH": "/nowhere/token",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": '{"runtime_env": {"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"}}',
    "RAY_NAMESPACE": "theirs",
    "RAY_RUNTIME_ENV_HOOK": "their.hook",
    "RAY_TLS_SERVER_CERT": "/nowhere/cert",
    "RAY_USE_TLS": "1",
}
OF_LAUNCHERS: dict[str, str | None] = {
    "SLURM_JOB_ID": "17",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "8",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_NODEID": "0",
    "SLURM_CPUS_PER_TASK": "1",
    "SLURM_MEM_PER_NODE": "4096",
    "RANK": "3",
    "LOCAL_RANK": "3",
    "WORLD_SIZE": "8",
    "MASTER_ADDR": "192.0.2.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}
PROXY = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")
PROXIES: dict[str, str | None] = dict.fromkeys(PROXY, "http://127.0.0.1:1") | {"no_proxy": None, "NO_PROXY": None}
CGROUP_V2 = """
mkdir $HERE/cgroup; echo '100000 100000' > $HERE/cgroup/cpu.max; echo 3221225472 > $HERE/cgroup/memory.max
mount --bind $HERE/cgroup /sys/fs/cgroup"""
READ_ONLY_SCRATCH = """
mkdir $HERE/out; for f in /tmp /var/tmp; do mount --bind $f $f; mount -o remount,ro,bind $f; done
mount -t tmpfs tmpfs $HERE/out"""

NO_NETWORK = Place(
    "no network, a hostname that does not resolve",
    "ip link set lo up; hostname no-such-host",
    apart=("--net", "--uts"),
)
NOBODY = Place(
    "uid without a name, no HOME",
    within=STRANGER,
    variables={"HOME": None, "USER": None, "LOGNAME": None, "MPLCONFIGDIR": None},
)
PREPARED = [
    NOBODY,
    Place(
        "HOME that is read-only, as is the working folder",
        "mkdir $HERE/home; mount --bind $HERE/home $HERE/home; mount -o remount,ro,bind $HERE/home; cd $HERE/home",
        variables={"HOME": "$HERE/home"},
    ),
    Place("one CPU by affinity, and by a cgroup (v2) with 3 GiB", CGROUP_V2, "taskset --cpu-list 0"),
    Place(
        "/dev/shm of 64 MiB",
        "mount -t tmpfs -o mode=1777,size=64m tmpfs /dev/shm",
        says="warning: /dev/shm has room for 60 of",
    ),
    Place("variables of another Ray", variables=OF_ANOTHER_RAY, says="RAY_ADDRESS=http://127.0.0.1:1 set aside"),
    Place(
        "TMPDIR of 150 bytes",
        "mkdir -p $TMPDIR",
        variables={"TMPDIR": "$HERE/" + "long/" * 30},
        says="since those of sockets are short and ASCII",
    ),
    Place("TMPDIR with blanks and quotes", 'mkdir -p "$TMPDIR"', variables={"TMPDIR": "$ROOT/a 'b'"}),
    Place(
        "TMPDIR with an umlaut",
        'mkdir -p "$TMPDIR"',
        variables={"TMPDIR": "$ROOT/ü"},
        says="since those of sockets are short and ASCII",
    ),
    Place("TMPDIR that is not there", variables={"TMPDIR": "/nowhere"}, says="scratch folder: /tmp, since /nowhere"),
    Place(
        "TMPDIR mounted noexec",
        "mkdir $TMPDIR; mount -t tmpfs -o noexec tmpfs $TMPDIR",
        variables={"TMPDIR": "$ROOT/noexec"},
    ),
    Place(
        "no scratch folder at all",
        READ_ONLY_SCRATCH,
        variables={"TMPDIR": None},
        says="no scratch folder: got /tmp, /var/tmp",
        refused=True,
    ),
    Place("proxies, to a dead port", variables=PROXIES),
    Place(
        "console of ASCII, no TERM, closed stdin",
        "exec <&-",
        variables={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": None},
    ),
    Place("odd threads, no GPU to see", variables={"OMP_NUM_THREADS": "all", "CUDA_VISIBLE_DEVICES": ""}),
    Place("ulimit -n 200", "ulimit -n 200", says="too few open files for Ray: got ulimit -n 200", refused=True),
    Place("ulimit -u 100", "ulimit -u 100", STRANGER, says="too few threads for Ray: got", refused=True),
]
LAUNCHED = Place(
    "Slurm's and torchrun's variables", variables=OF_LAUNCHERS, says="RANK=3: whoever starts AVIS several times"
)
TRAINED = [
    NO_NETWORK,
    LAUNCHED,
    Place(
        "another Ray on this host, and its address",
        f"{sys.executable} $ROOT/other.py $HERE/address > $HERE/other.log 2>&1 < /dev/null & "
        "until [ -s $HERE/address ]; do sleep 1; done; export RAY_ADDRESS=$(cat $HERE/address)",
        says="set aside: compute=local starts a Ray of its own",
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a short path in which any user may write: recordings, the other Ray, one store for all."""
    root = tmp_path_factory.getbasetemp() / "places"
    root.mkdir()
    for speaker in ("ü1", "s2"):
        (root / "audio" / speaker / "a").mkdir(parents=True)
        sf.write(root / "audio" / speaker / "a" / "1.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 16000), 16000)
    (root / "other.py").write_text(OTHER_RAY)
    for folder in (root, *root.parents[: len(root.parts) - len(Path("/tmp").parts) - 1]):
        folder.chmod(0o777 if folder == root else folder.stat().st_mode | 0o055)
    return root


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Callable[..., str]:
    """Return what runs a pipeline in a place and returns how it ended and what it said."""

    def run_in(place: Place, pipeline: str, *overrides: str) -> tuple[int, str]:
        tmp_path.chmod(0o777)
        known = {"$HERE": str(tmp_path), "$ROOT": str(root)}
        variables = {"HERE": str(tmp_path), "ROOT": str(root), "PYTHONPATH": str(PROJECT), "HYDRA_FULL_ERROR": "0"}
        for name, value in place.variables.items():
            variables[name] = "" if value is None else value
            for short, long in known.items():
                variables[name] = variables[name].replace(short, long)
        unset = [part for name, value in place.variables.items() if value is None for part in ("--unset", name)]
        command = [sys.executable, str(PROJECT / "pipelines" / pipeline), *overrides]
        shell = f'{place.made_by}\nexec {place.within} env {" ".join(unset)} "$@"'
        done = subprocess.run(
            [*APART, *place.apart, "bash", "-ec", shell, "_", *command],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            timeout=TIMEOUT_S,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    return run_in


def check(place: Place, ended: tuple[int, str], tell: Callable[[str], None]) -> None:
    status, said = ended
    told = next((line for line in said.splitlines() if place.says and place.says in line), "")
    tell(f"{'refused' if status else 'finished'}{': ' if told else ''}{told[:110]}")
    assert (status != 0) == place.refused, said
    assert place.says in said
    assert "Traceback" not in said


@pytest.mark.parametrize("place", PREPARED, ids=str)
def test_prepare_starts_a_ray_or_says_what_to_set(place: Place, run, root: Path, tmp_path: Path, outcome):
    ended = run(
        place,
        "prepare.py",
        "corpus=folder",
        "corpus.split=test",
        f"corpus.root={root}/audio",
        f"output_dir={tmp_path}/out",
    )
    check(place, ended, lambda found: outcome("surroundings of a run", place.name, "prepare, compute=local", found))
    if not place.refused:
        assert "2 utterances, 0 rejects" in ended[1]


@pytest.mark.parametrize(
    ("place", "compute"),
    [*((place, "local") for place in TRAINED), (LAUNCHED, "debug"), (NOBODY, "debug")],
    ids=str,
)
def test_a_training_reaches_its_figures(place: Place, compute: str, run, root: Path, tmp_path: Path, tiny, outcome):
    out = tmp_path if place is NOBODY else root  # what others wrote is not his to write on in
    short = [*tiny["train"], "trainer.num_epochs=1", f"corpus.sources.synthetic.root={out}/synthetic"]
    ended = run(
        place, "train.py", *short, f"output_dir={out}/out", f"run={compute}-{len(place.name)}", f"compute={compute}"
    )
    check(place, ended, lambda found: outcome("surroundings of a run", place.name, f"train, compute={compute}", found))
    assert "synthetic: EER" in ended[1]
