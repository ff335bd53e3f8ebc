"""Tell how long a training still takes: its steps at their pace so far, its validations at theirs."""


class TimeLeft:
    """The seconds until the end of the last epoch.

    Counted since this start, so that a run that goes on is judged by its pace now. Validations and the wait for the
    very first batch are no part of a step's time. Until the first validation has ended, those to come count as none.

    Parameters
    ----------
    steps_per_epoch, num_epochs : int
    step : int
        Steps of the whole training that were done before.
    now : float
        In seconds, as all times here.

    Examples
    --------
    Two epochs of ten steps: each step takes 1 s, a validation 5 s.

    >>> left = TimeLeft(steps_per_epoch=10, num_epochs=2, step=0, now=100.0)
    >>> left.seconds(4, 104.0)
    16.0
    >>> left.validation_starts(110.0)
    >>> left.validation_ends(115.0)
    >>> left.seconds(10, 115.0)
    15.0
    """

    def __init__(self, *, steps_per_epoch: int, num_epochs: int, step: int, now: float) -> None:
        self.num_steps, self.first_step, self.since = steps_per_epoch * num_epochs, step, now
        self.validations = num_epochs - step // steps_per_epoch
        self.validated, self.validating_s = 0, 0.0

    def validation_starts(self, now: float) -> None:
        """Stop the clock of the steps."""
        self.validating_since = now

    def validation_ends(self, now: float) -> None:
        """Go on with it."""
        self.validated += 1
        self.validating_s += now - self.validating_since

    def seconds(self, step: int, now: float, *, start_s: float = 0.0) -> float:
        """Return the seconds left after so many steps, of which the wait for the first batch took ``start_s``."""
        per_step_s = (now - self.since - self.validating_s - start_s) / max(1, step - self.first_step)
        per_validation_s = self.validating_s / max(1, self.validated)
        return per_step_s * (self.num_steps - step) + per_validation_s * (self.validations - self.validated)
