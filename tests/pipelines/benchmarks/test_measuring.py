import subprocess
import sys
import time

import numpy as np
import pytest

from pipelines.benchmarks.measuring import PeakMemory, seconds


def test_only_processor_time_counts() -> None:
    assert seconds(lambda: time.sleep(0.3)) < 0.2


@pytest.mark.slow
def test_memory_of_this_process_and_of_those_below_it_is_measured() -> None:
    hold = "import time; held = bytearray(80_000_000); time.sleep(3)"
    with PeakMemory() as memory:
        child = subprocess.Popen([sys.executable, "-c", hold])
        held = np.ones(10_000_000)
        child.wait()
    assert memory.largest("bytearray(80_000_000)") > 80_000_000
    assert memory.of_driver > held.nbytes
    assert memory.peak_bytes > 80_000_000 + held.nbytes
    assert memory.largest("no such process") == 0
