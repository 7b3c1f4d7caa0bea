"""The config's `minInterval`, as a limit for readings that scrapes start."""

_SLACK = 1.0  # seconds


def at_least(interval: float) -> float:
    """Seconds that must have passed since the last reading.

    A little less than the interval: Prometheus scrapes with some milliseconds of jitter, and with
    equal intervals each early scrape would repeat old values.
    """
    return interval - min(_SLACK, interval / 10)
