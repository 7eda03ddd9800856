"""What is replaced while visitors come: apps by those of other releases, the control plane, the edge's configuration."""

import contextlib
import json
import os

from .figures import Figure
from .freehold import DOMAIN, Stopwatch, installation
from .load import Steady, failed

MOVES = 10
UPS = 5
SLUG = "moved"
HOST = f"{SLUG}.{DOMAIN}"
VEHICLE = json.dumps({"name": "Load", "fuel": "diesel"})
STACK = os.path.join(os.path.dirname(__file__), "../../templates/stack/default.yaml")


def figures():
    with installation() as freehold:
        freehold.create(SLUG)
        freehold.settled(SLUG, "running")
        cookie = freehold.session(SLUG)
        second_release(freehold)
        yield from while_moved(freehold, cookie)
        yield from while_brought_up(freehold, cookie)


def second_release(freehold):
    """Registers a release beside the first; it differs from it in what its app is told."""
    stack = f"{freehold.home}/stack.yaml"
    with open(STACK, encoding="utf-8") as default, open(stack, "w", encoding="utf-8") as file:
        file.write(default.read().replace("      TENANT_ID:", "      LOG: warn\n      TENANT_ID:"))
    freehold.up(stack__file=stack)


def visitors(freehold, host, path, body=None, cookie=None):
    """Who keeps a connection, and who makes a new one for each request."""
    return [
        Steady(freehold.port, [host], rate=60, clients=3, closing=closing, path=path, body=body, cookie=cookie)
        for closing in (False, True)
    ]


def of_tenant(freehold, cookie):
    readers = visitors(freehold, HOST, "/api/vehicles?limit=1", cookie=cookie)
    return readers + visitors(freehold, HOST, "/api/vehicles", VEHICLE, cookie)


@contextlib.contextmanager
def at_work(loads):
    with contextlib.ExitStack() as stack:
        for load in loads:
            stack.enter_context(load)
        yield


def while_moved(freehold, cookie):
    releases = [release["version"] for release in freehold.ask("GET", "/api/v1/releases")[1]["items"]]
    loads, seconds = of_tenant(freehold, cookie), []
    with at_work(loads):
        for move in range(MOVES):
            watch = Stopwatch()
            change = {"release": releases[move % 2]}
            status, answer = freehold.ask("PATCH", f"/api/v1/tenants/{SLUG}", change)
            if status != 202:
                raise RuntimeError(f"the move was not accepted: {status} {answer}")
            freehold.settled(SLUG, "running")
            seconds.append(watch.seconds)
    yield failed(f"failed in {MOVES} moves to another release", *loads)
    yield Figure("move to another release, under load", "s", seconds)


def while_brought_up(freehold, cookie):
    loads = of_tenant(freehold, cookie) + visitors(freehold, DOMAIN, "/healthz")
    with at_work(loads):
        for up in range(UPS):
            # another setting is another container of each role; to the edge it is another text
            changed = freehold.up(edge__body_mib=32 + up)
            expected = {"api": "replaced", "gateway": "replaced", "worker": "replaced", "edge": "reloaded"}
            if expected.items() - changed.items():
                raise RuntimeError(f"not everything was replaced: {changed}")
    yield failed(f"failed in {UPS} replacements of the control plane with reloads of the edge", *loads)
