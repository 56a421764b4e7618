"""What is meant for the person at the keyboard."""


class InputError(ValueError):
    """Bad input: the message is one line that names the culprit and the remedy.

    `main` prints the line to stderr and exits with code 2; everything else is a
    bug in this package and keeps its traceback.
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended training; `main` prints the line and exits with 128 + `number`."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


class DivergenceError(InputError):
    """Training met a number that is not finite before `step`, after `seconds`: an outcome, too."""

    def __init__(self, message: str, step: int, seconds: float = 0.0):
        super().__init__(message)
        self.step, self.seconds = step, seconds
