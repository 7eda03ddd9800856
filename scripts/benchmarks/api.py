"""The API at ten thousand tenants, beside the same at a hundred."""

import contextlib
import random

from . import rows
from .figures import Figure, percentile
from .freehold import Stopwatch, installation

MANY, FEW = 10_000, 100
# A round asks so many times, many and few in turn, and is told by its 95th percentile.
ROUNDS, REQUESTS = 10, 60
AIM = 1.3
# Houses that are rows and nothing else are not as they should be; nobody is to look at them.
SETTINGS = "worker: { sweep_seconds: 3600 }"


def figures():
    with installation(SETTINGS) as many, installation(SETTINGS) as few:
        rows.fill(many, MANY)
        rows.fill(few, FEW)
        with contextlib.closing(many.connection()) as to_many, contextlib.closing(few.connection()) as to_few:
            for name, ask in REQUESTED.items():
                ours, reference = [], []
                for turn in range(ROUNDS + 1):
                    asked = [
                        (timed(many, to_many, ask(MANY)), timed(few, to_few, ask(FEW))) for _ in range(REQUESTS)
                    ]
                    if turn:  # the first is to warm up
                        ours.append(percentile([of_many for of_many, _ in asked], 95))
                        reference.append(percentile([of_few for _, of_few in asked], 95))
                yield Figure(f"API {name}, p95", "ms", ours, f"{FEW} tenants", reference, AIM)


def timed(freehold, connection, asked):
    method, path, body, expected = asked
    watch = Stopwatch()
    status, _ = freehold.ask(method, path, body, connection)
    took = watch.seconds * 1000
    if status != expected:
        raise RuntimeError(f"{method} {path} was answered {status} instead of {expected}")
    return took


def any_of(tenants):
    return rows.slug(random.randrange(tenants))


def a_page(tenants):
    return "GET", "/api/v1/tenants?limit=50", None, 200


def by_name(tenants):
    return "GET", "/api/v1/tenants?limit=50&sort=name", None, 200


def one_found(tenants):
    return "GET", f"/api/v1/tenants?limit=50&search={any_of(tenants)[3:]}", None, 200


def many_found(tenants):
    return "GET", "/api/v1/tenants?limit=50&search=row", None, 200


def one(tenants):
    return "GET", f"/api/v1/tenants/{any_of(tenants)}", None, 200


def taken(tenants):
    return "POST", "/api/v1/tenants", {"name": "Taken", "slug": any_of(tenants)}, 409


def wrong(tenants):
    return "POST", "/api/v1/tenants", {"name": "Wrong", "slug": "-wrong-"}, 422


REQUESTED = {
    "list": a_page,
    "list by name": by_name,
    "search, one found": one_found,
    "search, many found": many_found,
    "get": one,
    "create, slug taken": taken,
    "create, not valid": wrong,
}
