"""The first request to a tenant that sleeps."""

from . import bare
from .figures import Figure
from .freehold import Stopwatch, installation

RUNS = 12


def figures():
    with installation() as freehold:
        freehold.create("pattern")
        freehold.first_page("pattern")
        freehold.settled("pattern", "running")
        pattern = bare.Pattern(freehold, "pattern")
        ours, limit = [], []
        with bare.house(pattern) as house:
            for _ in range(RUNS):
                house.stop()
                watch = Stopwatch()
                house.wake()
                limit.append(watch.seconds)

                freehold.verb("pattern", "sleep", "asleep")
                watch = Stopwatch()
                freehold.first_page("pattern")
                ours.append(watch.seconds)
                freehold.settled("pattern", "running")
    yield Figure("wake, first byte", "s", ours, "bare engine starts", limit, aim=1.3)
