"""`demo`: the story that `make demo` tells, on a stack that is up."""


def demo() -> None:
    """Post a slice of real-looking history, play a week's story on top, and show what the services made of it."""
