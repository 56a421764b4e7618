"""The one exception that is meant for the person at the keyboard."""


class InputError(ValueError):
    """Bad input: the message is one line that names the culprit and the remedy.

    `main` prints the line to stderr and exits with code 2; everything else is a
    bug in this package and keeps its traceback.
    """
