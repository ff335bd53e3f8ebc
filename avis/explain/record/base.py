"""What all parts of a record are."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SideName = Literal["enroll", "test"]
Unit = Literal["llr", "score"]


class Record(BaseModel):
    """A part of an explanation; it cannot be changed, and every number of it is finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
