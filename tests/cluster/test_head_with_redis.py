"""A head that keeps what it knows in Redis: it dies, another takes its place, and what runs elsewhere runs on."""

import shutil
from collections.abc import Callable

import pytest

from tests.cluster.by_hand import STARTS_WITHIN_S, ByHand
from tests.cluster.testbed import Testbed, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("ray_session"),  # one Ray at a time
    pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server"),
]

PASSWORD = "secret"
COUNT = """
import ray
ray.init(address="auto", namespace="service", log_to_driver=False)
class Counter:
    def __init__(self):
        self.asked = 0
    def ask(self):
        self.asked += 1
        return self.asked
counter = ray.remote(Counter).options(name="counter", lifetime="detached", num_cpus=1, get_if_exists=True).remote()
print("asked", ray.get(counter.ask.remote()))
"""


class WithRedis(ByHand):
    """A cluster by hand whose head has Redis, as KubeRay gives it to a head."""

    def ways_to_start(self, typed: list[str]) -> list[str]:
        of_head, of_other = typed
        return [f"export RAY_REDIS_ADDRESS=redis:6379\n{of_head} --redis-password={PASSWORD}", of_other]


def test_what_runs_elsewhere_outlives_the_head(testbed: Callable[..., Testbed]):
    bed = testbed("head", "one", "redis")
    redis = bed["redis"].boot()
    redis.start(f"redis-server --requirepass {PASSWORD} --save ''")
    wait_for(lambda: "PONG" in redis.run(f"redis-cli -a {PASSWORD} ping", status=None), 60, "Redis")
    cluster = WithRedis(bed)
    cluster.add(bed["one"])
    (bed.shared / "count.py").write_text(COUNT)
    count = f"{cluster.token_mode}\npython /mnt/avis/count.py"
    assert "asked 1" in cluster.head.run(count)
    cluster.head.power_off()
    cluster.start()
    wait_for(lambda: cluster.num_alive() == 2, STARTS_WITHIN_S, "the other machine in the cluster")
    assert "asked 2" in cluster.head.run(count, timeout_s=STARTS_WITHIN_S), "the same actor, on the same machine"
