"""A tenant from nothing to its first page, one at a time."""

from . import bare, compose
from .figures import Figure
from .freehold import Stopwatch, installation

RUNS = 12


def figures():
    with installation() as freehold:
        freehold.create("pattern")
        freehold.first_page("pattern")
        pattern = bare.Pattern(freehold, "pattern")
        ours, limit, by_hand = [], [], []
        with compose.stage(pattern) as stage:
            # one of each in turn: what else the machine does meets all three
            for run in range(RUNS):
                limit.append(of_bare(pattern))
                ours.append(of_ours(freehold, f"t{run}"))
                by_hand.append(stage.house())
    yield Figure("onboarding, cold", "s", ours, "bare engine calls", limit, aim=1.25)
    yield Figure("onboarding, cold", "s", ours, "docker-compose", by_hand, aim=0.5)


def of_ours(freehold, slug):
    watch = Stopwatch()
    freehold.create(slug)
    freehold.first_page(slug)
    seconds = watch.seconds
    freehold.settled(slug, "running")
    freehold.remove(slug)
    return seconds


def of_bare(pattern):
    one = bare.House(pattern)
    watch = Stopwatch()
    try:
        one.build()
        return watch.seconds
    finally:
        one.remove()
