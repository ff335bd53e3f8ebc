"""Read the figures that a training has logged, over all its starts."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from avis import location
from avis.run_folder import CSV

FILE = "metrics.csv"


class Column(NamedTuple):
    """The values of one figure in order: int64 ``epoch`` (from 0) and ``step``, float64 ``value``, all ``[values]``."""

    epoch: NDArray[np.int64]
    step: NDArray[np.int64]
    value: NDArray[np.float64]

    def before(self, step: int) -> "Column":
        """Return what was logged before a step."""
        kept = self.step < step
        return Column(self.epoch[kept], self.step[kept], self.value[kept])

    def by_epoch(self) -> dict[int, float]:
        """Return the last value of each epoch."""
        return dict(zip(self.epoch.tolist(), self.value.tolist(), strict=True))


class Start(NamedTuple):
    """What one start of a run logged: its first step, one more than its last one, and the figures by name."""

    first: int
    end: int
    columns: dict[str, Column]


class Log(NamedTuple):
    """What a run logged, by start."""

    starts: Sequence[Start]

    def column(self, name: str) -> Column:
        """Return the values of a figure; what a later start repeated is taken from there."""
        parts: list[Column] = []
        for start in self.starts:
            parts = [part.before(start.first) for part in parts]
            parts += [start.columns[name]] if name in start.columns else []
        empty = Column(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        return Column(*map(np.concatenate, zip(empty, *parts, strict=True)))

    def repeated_steps(self, step: int) -> int:
        """Return how many steps had been done already that the start repeated which went on at this one."""
        number = next((number for number, start in enumerate(self.starts) if number and start.first == step), 0)
        return max(0, max((start.end for start in self.starts[:number]), default=0) - step)


def read_logs(run_dir: str) -> Log:
    """Read the CSV logs of all starts of a run; those that logged nothing are left out, as is a row that is cut off."""
    folder = location.join(run_dir, CSV)
    numbers = sorted(int(number) for name in location.names_in(folder) if (number := name.rpartition("_")[2]).isdigit())
    paths = [location.join(folder, f"version_{number}", FILE) for number in numbers]
    starts = [_read(location.read_bytes(path)) for path in paths if location.exists(path)]
    return Log([start for start in starts if start is not None])


def _read(data: bytes) -> Start | None:
    whole = data[: data.rfind(b"\n") + 1]
    names = whole.partition(b"\n")[0].decode().strip().split(",")
    if not {"epoch", "step"} <= set(names):
        return None
    table = pacsv.read_csv(
        io.BytesIO(whole),
        parse_options=pacsv.ParseOptions(invalid_row_handler=lambda row: "skip"),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64())),
    )
    values = {name: table[name].to_numpy() for name in names}
    place = ~(np.isnan(values["epoch"]) | np.isnan(values["step"]))
    columns = {}
    for name in set(names) - {"epoch", "step"}:
        there = place & ~np.isnan(values[name])
        epoch, step = (values[key][there].astype(np.int64) for key in ("epoch", "step"))
        if len(step):
            columns[name] = Column(epoch, step, values[name][there])
    if not columns:
        return None
    steps = [column.step for column in columns.values()]
    return Start(int(min(map(np.min, steps))), int(max(map(np.max, steps))) + 1, columns)
