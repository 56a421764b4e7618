"""Errors whose messages are written for the user."""


class InputError(ValueError):
    """Bad input; the message is one line that names what is wrong and how to mend it.

    `main` prints the line to stderr and exits with code 2. Any other exception is a
    bug in this package and keeps its traceback.
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended training; `number` is that of the signal.

    `main` prints the line and exits with code 128 + `number`.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


class LostMachineError(Exception):
    """One of several machines that train together is gone: all have to be started again.

    `main` prints the line and exits with code 75.
    """


class DivergenceError(InputError):
    """Training broke, which is also recorded as the result of the run.

    Attributes:
      what: the names of metrics or variables that are not finite, or how else it broke.
      step: the update in which it was met, or after which.
      seconds: the training time until then.
    """

    def __init__(self, what: str, step: int, seconds: float = 0.0, seen: str = ""):
        self.what, self.step, self.seconds = what, step, seconds
        self.fact = f"{what} in update {step}"
        told = f" ({seen})" if seen else ""
        super().__init__(
            f"{self.fact}{told}: lower the step size or the learning rate; "
            "what was saved before is whole"
        )
