"""The replicas that say why."""

from avis.explain import explain, sentences, trial_page
from avis.explain.record import SideName
from avis.explain.text.sentences import Preset
from avis.serving.replica import Decoded, answering
from avis.verifier.embedder import Voiceprint
from avis.verifier.verifier import Verifier


class Explainers:
    """Say why verdicts came out as they did."""

    def __init__(self, path: str) -> None:
        self._verifier = Verifier.load(path)
        self.model = self._verifier.digest

    @answering
    def explain(
        self,
        enroll: list[Decoded | Voiceprint],
        test: Decoded | Voiceprint,
        *,
        prior: float | None,
        checks: bool,
        page: Preset | None,
    ) -> tuple[str, str]:
        """Return the outcome and the record as JSON, or where it is for somebody, the page."""
        explanation = explain(self._verifier, enroll, test, prior=prior, checks=checks)
        if page is None:
            return explanation.outcome, explanation.model_dump_json()
        given = {("enroll", number): each for number, each in enumerate(enroll)} | {("test", 0): test}
        audio: dict[tuple[SideName, int], bytes] = {}
        for each in explanation.sides:
            recording = given[each.side, each.recording]
            if not isinstance(recording, Voiceprint):
                audio[each.side, each.recording] = self._verifier.audio(recording)
        text = sentences(explanation, page)
        return explanation.outcome, trial_page(explanation, audio=audio, text=text, preset=page)
