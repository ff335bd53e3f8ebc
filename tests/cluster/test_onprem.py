"""``ray up`` over SSH: a laptop starts Ray on machines that run nothing but an SSH server, and trains there."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cluster.by_hand import CPUS_OF_ONE, STARTS_WITHIN_S, lines_of
from tests.cluster.testbed import PROJECT, SHARED, Machine, Testbed, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("ray_session"),  # one Ray at a time
    pytest.mark.skipif(not all(map(shutil.which, ("sshd", "ssh", "rsync"))), reason="no openssh-server or rsync"),
]

ENDS_WITHIN_S = 180.0
"""The others end when they have missed their head for a minute."""
SERVE_SSH = f"""
mkdir -p /run/sshd ~/.ssh && cp {SHARED}/key.pub ~/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /run/host_key
$(which sshd) -f /dev/null -h /run/host_key -o StrictModes=no -o PermitRootLogin=yes
"""
LAPTOP = f"""
mkdir -p ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && cp ~/.ssh/id_ed25519.pub {SHARED}/key.pub
echo 'StrictHostKeyChecking accept-new' > ~/.ssh/config
"""


def placed(descriptor: Path, user: str) -> str:
    """Return the descriptor with what a user puts in place of what is made up: here that is installed elsewhere."""
    text = descriptor.read_text().replace("/opt/avis/.venv", sys.prefix)
    cluster = yaml.safe_load(text.replace("--address=$RAY_HEAD_IP", f"--num-cpus={CPUS_OF_ONE} --address=$RAY_HEAD_IP"))
    cluster["auth"]["ssh_user"] = user
    return yaml.safe_dump(cluster)


@pytest.fixture(scope="module")
def laptop(testbed: Callable[..., Testbed]) -> Machine:
    """Return a machine from which the others are reached."""
    bed = testbed("laptop", "avis-head", "avis-1", "avis-2")
    laptop, *servers = bed.machines.values()
    laptop.boot().run(LAPTOP)
    for server in servers:
        server.boot().run(SERVE_SSH)
    (bed.shared / "onprem.yaml").write_text(placed(PROJECT / "cluster" / "onprem.yaml", "root"))
    return laptop


def test_up_submit_down(laptop: Machine, tiny: dict[str, list[str]]):
    make_token, up, tunnel, token_mode, submit, down = lines_of("Machines reached by SSH")
    laptop.run(make_token)
    laptop.run(up.replace("cluster/onprem.yaml", f"{SHARED}/onprem.yaml --yes"), timeout_s=STARTS_WITHIN_S)
    through = laptop.start(tunnel.replace("<user>", "root"))
    wait_for(lambda: laptop.run("curl -s 127.0.0.1:8265", status=None), 60, "tunnel")
    nodes = f"{token_mode}\nray list nodes --address http://127.0.0.1:8265"
    wait_for(lambda: laptop.run(nodes, status=None).count("ALIVE") == 3, STARTS_WITHIN_S, "three nodes")
    line = submit.replace("<shared folder>", SHARED)
    settings = [*tiny["train"], "compute.use_gpu=false", "compute.num_workers=2", "run=up"]
    said = laptop.run(f"{token_mode}\n{line} {' '.join(settings)}", cwd=str(PROJECT), timeout_s=1200)
    assert f"{SHARED}/runs/up" in said
    assert (laptop.testbed.shared / "runs" / "up" / "metrics.json").is_file()
    laptop.run(down.replace("cluster/onprem.yaml", f"{SHARED}/onprem.yaml --yes"), timeout_s=STARTS_WITHIN_S)
    through.kill()
    servers = list(laptop.testbed.machines.values())[1:]
    wait_for(
        lambda: not any("raylet" in server.run("ps ax", status=None) for server in servers),
        ENDS_WITHIN_S,
        "end of Ray on all machines",
    )
