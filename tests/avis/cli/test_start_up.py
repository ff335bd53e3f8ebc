"""Who asks for one verdict waits for the imports, so that nothing is among them that it does not need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOT_NEEDED = "hydra lightning matplotlib ray scipy.cluster scipy.optimize scipy.signal scipy.stats sklearn torchaudio"
COMPARE = f"""
import sys
from avis.cli import app
app(["verify", *sys.argv[1:]], standalone_mode=False)
print(*(name for name in "{NOT_NEEDED}".split() if name in sys.modules))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("avis")
def test_a_verdict_needs_no_ray_nor_what_only_training_does(recording):
    command = [sys.executable, "-c", COMPARE, recording(1), recording(2)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
