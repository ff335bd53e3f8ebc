"""What a captioner says of a trial, and what that is worth."""

from avis.explain.page.part import Part, Table
from avis.explain.record import Explanation


def caption_part(explanation: Explanation) -> Part | None:
    """Return the caption with how much of it the record bears out; None where there is none."""
    caption = explanation.caption
    if caption is None:
        return None
    facts = [
        ("Statements", f"{caption.num_statements}"),
        ("On which the record has something", f"{caption.num_checked}"),
        ("Which the record bears out", f"{caption.num_borne_out}"),
        ("Of voices that it was not trained on, statements borne out", f"{100 * caption.precision:.0f} %"),
        ("... of what is said most often", f"{100 * caption.baseline:.0f} %"),
    ]
    return Part(
        heading="Caption",
        reading="Made by a small language model of the two embeddings alone; score, ratio and decision know nothing of "
        "it. Thirds are those of the population.",
        table=Table(rows=facts, kind="facts"),
        notes=[f"\N{LEFT DOUBLE QUOTATION MARK}{caption.text}\N{RIGHT DOUBLE QUOTATION MARK}"],
    )
