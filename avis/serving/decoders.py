"""The replicas that decode."""

from avis.audio.recording import Hearing, Recording
from avis.serving.decoding import DecodingProcess
from avis.serving.replica import Decoded, answering
from avis.serving.settings import Limits


class Decoders:
    """Decode recordings, each in a process that may die of it, and hear them."""

    def __init__(self, model: str, hearing: Hearing, limits: Limits) -> None:
        self.model, self._hearing, self._process = model, hearing, DecodingProcess(hearing, limits)

    @answering
    def decoded(self, data: bytes) -> Decoded:
        """Return the samples of a file."""
        return self._process.samples(data), self._hearing.sample_rate

    @answering
    def heard(self, data: bytes) -> Recording:
        """Return a file as the model hears it."""
        return self._hearing.take_samples(self._process.samples(data), self._hearing.sample_rate)

    def __del__(self) -> None:
        self._process.close()
