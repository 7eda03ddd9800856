"""The memory of the platform's own processes at rest, with a hundred tenants: half of them awake, half asleep."""

import time
from concurrent.futures import ThreadPoolExecutor

from . import edge, engine
from .figures import Figure
from .freehold import installation

TENANTS = 100
# What is asked of the worker last is done with by then, and the statement caches are as they stay.
REST = 20
CONTROL_PLANE = ["api", "gateway", "worker"]


def figures():
    with installation("worker: { concurrency: 8 }") as freehold:
        slugs = [f"m{number:03}" for number in range(TENANTS)]
        with ThreadPoolExecutor(8) as together:
            list(together.map(lambda slug: settle(freehold, slug), slugs))
            list(together.map(lambda slug: freehold.verb(slug, "sleep", "asleep"), slugs[::2]))
        time.sleep(REST)
        used = {}
        for service in [*CONTROL_PLANE, "edge", "postgres"]:
            label = {"freehold.installation": freehold.id, "freehold.role": service}
            (container,) = engine.find("containers", **label)
            used[service] = edge.memory(container["Id"])
    total = sum(used[service] for service in CONTROL_PLANE)
    yield Figure("memory of the control plane, 100 tenants", "MiB", [total])
    for service, mib in used.items():
        yield Figure(f"memory of {service}, 100 tenants", "MiB", [mib])


def settle(freehold, slug):
    freehold.create(slug)
    freehold.settled(slug, "running")
