"""Ray and Hydra: the stages of a run, and the process that they run in."""

import importlib
import sys
from pathlib import Path

from avis.engine.workers.process_setup import adapt
from avis.starting import PIPELINES

adapt()  # before Ray, torch and Lightning are imported, which look at the process there and then
_script = Path(getattr(sys.modules["__main__"], "__file__", None) or "").resolve()
if _script.parent == PIPELINES:
    importlib.import_module("avis.engine.entry")  # refuses a wrong key before these are imported, which takes seconds
