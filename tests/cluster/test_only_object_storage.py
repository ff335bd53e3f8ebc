"""Machines that share no file system: audio, stores, runs and explanations lie in a bucket, all stages run on it."""

from collections.abc import Callable

import pytest

from tests.cluster.by_hand import ByHand
from tests.cluster.testbed import PROJECT, SHARED, Testbed, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), pytest.mark.xdist_group("ray_session")]  # one Ray at a time

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
QUERY = "?endpoint_override=storage:5000&scheme=http&region=us-east-1"
BUCKET = f"s3://speech{QUERY}"


@pytest.fixture(scope="module")
def cluster(testbed: Callable[..., Testbed]) -> ByHand:
    bed = testbed("head", "one", "two", "storage")
    bed.env |= KEYS
    storage = bed["storage"].boot()
    storage.start("python -m moto.server --host 0.0.0.0 --port 5000")
    wait_for(lambda: storage.run("curl -s 127.0.0.1:5000", status=None), 60, "bucket")
    made = ByHand(bed)
    for name in ("one", "two"):
        made.add(bed[name])
    for name in ("head", "one", "two"):
        bed[name].run(f"umount {SHARED}")
    bucket = f'location.filesystem("{BUCKET}&allow_bucket_creation=true")[0].create_dir("speech")'
    made.head.run(f"python -c 'from avis import location; {bucket}'", cwd=str(PROJECT))
    return made


def test_from_audio_to_explanations(cluster: ByHand, tiny: dict[str, list[str]]):
    on_two = ["compute.use_gpu=false", "compute.num_workers=2", "run=nothing-mounted"]
    trained = cluster.submit("train.py", *tiny["train"], *on_two, output_dir=BUCKET)
    assert trained.status() == 0, trained.said
    explained = cluster.submit("explain.py", "run=nothing-mounted", "worst=2", "checks=false", output_dir=BUCKET)
    assert explained.status() == 0, explained.said
    print(trained.said, explained.said)
