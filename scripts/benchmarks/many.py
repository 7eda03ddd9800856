"""Twenty tenants asked for together."""

import ipaddress
from concurrent.futures import ThreadPoolExecutor

from . import bare
from .figures import Figure
from .freehold import Stopwatch, free_pool, installation

TENANTS = 20
RUNS = 4
# As many houses as the worker sees to at the same time.
PARALLEL = 8
# Between two looks of each of twenty at its page: many who look often are a load of their own.
PAUSE = 0.05


def figures():
    with installation(f"worker: {{ concurrency: {PARALLEL} }}") as freehold:
        freehold.create("pattern")
        freehold.first_page("pattern")
        pattern = bare.Pattern(freehold, "pattern")
        ours, limit = [], []
        for run in range(RUNS):
            limit.append(of_bare(pattern))
            ours.append(of_ours(freehold, run))
    yield Figure(f"{TENANTS} at once", "s", ours, "bare engine calls", limit, aim=1.25)


def of_ours(freehold, run):
    slugs = [f"m{run}-{number}" for number in range(TENANTS)]

    def one(slug):
        freehold.create(slug)
        freehold.first_page(slug, pause=PAUSE)

    watch = Stopwatch()
    with ThreadPoolExecutor(TENANTS) as together:
        list(together.map(one, slugs))
    seconds = watch.seconds
    with ThreadPoolExecutor(4) as together:
        list(together.map(lambda slug: (freehold.settled(slug, "running"), freehold.remove(slug)), slugs))
    return seconds


def of_bare(pattern):
    pools = ipaddress.ip_network(free_pool()).subnets(new_prefix=28)
    houses = [bare.House(pattern, PAUSE, str(pool)) for _, pool in zip(range(TENANTS), pools)]
    watch = Stopwatch()
    try:
        with ThreadPoolExecutor(PARALLEL) as together:
            list(together.map(bare.House.build, houses))
        return watch.seconds
    finally:
        with ThreadPoolExecutor(4) as together:
            list(together.map(bare.House.remove, houses))
