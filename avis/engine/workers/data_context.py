"""Keep Ray Data's scheduler from spinning on a core that workers need."""

import time

from ray.data import DataContext
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

PAUSE_S = 0.02


class SchedulerPause(ExecutionCallback):
    """Let Ray Data's scheduler rest between its steps: with nothing to schedule it spins, at two thirds of a core."""

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """Sleep a little."""
        time.sleep(PAUSE_S)


def data_context() -> DataContext:
    """Return Ray Data's settings as every stage has them: it rests, draws no bars, and errors arrive as raised."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    context.custom_execution_callback_classes = [SchedulerPause]
    return context
