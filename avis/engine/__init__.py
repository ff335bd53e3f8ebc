"""Ray and Hydra: the stages of a run, and the process that they run in."""

from avis.engine.workers.process_setup import adapt

adapt()  # before Ray, torch and Lightning are imported, which look at the process there and then
