"""What a test lets go wrong in a backend; production lets everything go right."""


class Faults:
    """Called around every commit that keeps something."""

    ahead_s: float = 0.0
    """Seconds that the database's clock is ahead of what it would say."""

    def before_commit(self) -> None:
        """Raise a `WeftError` to lose what the commit would have kept."""

    def after_commit(self) -> None:
        """Raise a `WeftError` to lose the acknowledgement of what is kept."""


NO_FAULTS = Faults()
