"""The edge with ten thousand routes: what it takes, how soon a change is active, and what it adds to a request."""

import contextlib
import http.client
import time

from . import rows
from .edge import Edge, cpu, memory, route
from .figures import Figure
from .freehold import DOMAIN, Stopwatch, free_port, installation, until
from .load import Steady, failed, flood
from .nginx import APP, MAP, STATIC, nginx

TENANTS = 10_000
CHANGES = 500
RELOADS = 50
# Changes that are timed.
TIMED = 20
# Hosts that are asked for, of all that have a route.
ASKED = [rows.host(number) for number in range(0, TENANTS, TENANTS // 64)]
# Ours and the reference in turn, a second each: what else the machine does meets both.
ROUNDS = 12


def figures():
    # Houses that are rows and nothing else are not as they should be; nobody is to look at them.
    with installation("worker: { sweep_seconds: 3600 }") as freehold, contextlib.ExitStack() as stack:
        freehold.create("pattern")
        freehold.first_page("pattern")
        freehold.settled("pattern", "running")
        rows.fill(freehold, TENANTS)
        edge = Edge(freehold)
        apps = [stack.enter_context(app(edge, name)) for name in ("one", "other")]
        for first in range(0, TENANTS, 1000):
            edge.set(*(routed(number, apps[0]) for number in range(first, first + 1000)))
        yield Figure("edge memory, 10,000 routes", "MiB", [memory(edge.container)])
        yield time_to_active(freehold, edge, apps)
        yield from while_routes_change(freehold, edge, apps)
        yield from while_reloaded(freehold, edge)
        yield from added(freehold, edge, apps[0])


def app(edge, name):
    """An app that answers at once, with its name."""
    port = free_port()
    return nginx(edge.image, APP.format(port=port, page=name.ljust(1000, ".")), port, workers=1)


def routed(number, to):
    return route(rows.host(number), rows.house(number), f"127.0.0.1:{to.port}")


def time_to_active(freehold, edge, apps):
    """From a change to the first answer by another app, beside a map of all hosts that is read anew."""
    port, hosts = free_port(), {rows.host(number): f"127.0.0.1:{apps[0].port}" for number in range(TENANTS)}
    ours, by_map = [], []
    with nginx(edge.image, MAP.replace("{port}", str(port)), port, hosts=hosts, host=rows.host(0)) as static:
        for number in range(TIMED):
            host = rows.host(number)
            watch = Stopwatch()
            edge.set(routed(number, apps[1]))
            until(lambda: answering(freehold.port, host) == "other", f"the route of {host}", pause=0)
            ours.append(watch.seconds * 1000)

            watch = Stopwatch()
            hosts[host] = f"127.0.0.1:{apps[1].port}"
            static.write_map(hosts)
            static.reload()
            until(lambda: answering(port, host) == "other", f"the map's entry for {host}", pause=0)
            by_map.append(watch.seconds * 1000)
            edge.set(routed(number, apps[0]))
    return Figure("change to active route", "ms", ours, "a map of all, reloaded", by_map)


def answering(port, host):
    """The name of the app that answers for a host, on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/", headers={"Host": host, "Connection": "close"})
        return connection.getresponse().read().decode().rstrip(".")


def while_routes_change(freehold, edge, apps):
    """Requests that fail while hosts that are asked for move, and others lose their routes and get them back."""
    asked = range(0, TENANTS, TENANTS // 64)
    kept = Steady(freehold.port, ASKED, rate=200, clients=8, closing=False)
    closing = Steady(freehold.port, ASKED, rate=200, clients=8, closing=True)
    with kept, closing:
        for change in range(CHANGES):
            turn, number = divmod(change, 2)
            if number == 0:
                edge.set(routed(asked[turn % len(asked)], apps[turn // len(asked) % 2 - 1]))
            elif turn % 2 == 0:
                edge.withdraw(rows.host(1 + turn))
            else:
                edge.set(routed(turn, apps[0]))
            time.sleep(0.02)
    for which, load in (("kept connections", kept), ("new connections", closing)):
        yield failed(f"failed in {CHANGES} route changes, {which}", load)


def while_reloaded(freehold, edge):
    kept = Steady(freehold.port, ASKED, rate=200, clients=8, closing=False)
    closing = Steady(freehold.port, ASKED, rate=200, clients=8, closing=True)
    with kept, closing:
        for _ in range(RELOADS):
            edge.reload()
    for which, load in (("kept connections", kept), ("new connections", closing)):
        yield failed(f"failed in {RELOADS} reloads, {which}", load)


def added(freehold, edge, at_once):
    """What the edge adds to a request, against an nginx with one static upstream and otherwise the same settings."""
    pattern = f"pattern.{DOMAIN}"
    for name, app, hosts, connections, aim in (
        ("a tenant's page", edge.address(pattern), [pattern], 1, 1.05),
        ("an empty app", f"127.0.0.1:{at_once.port}", ASKED, 1, None),
        ("an empty app, 8 connections", f"127.0.0.1:{at_once.port}", ASKED, 8, None),
    ):
        port = free_port()
        http = STATIC.format(port=port, public=freehold.port, app=app)
        with nginx(edge.image, http, port, host=hosts[0]) as static:
            turns = [(freehold.port, edge.container), (port, static.name)]
            measured = {number: [] for number, _ in turns}
            for turn in range(ROUNDS + 1):
                for number, container in turns if turn % 2 else reversed(turns):
                    began = cpu(container)
                    result = flood(number, hosts, connections)
                    result["cpu"] = (cpu(container) - began) / result["requests"]
                    if turn:  # the first are to warm up
                        measured[number].append(result)
        for what, key in (("median", "p50"), ("p99", "p99"), ("CPU of nginx", "cpu")):
            yield Figure(
                f"{name}: {what}",
                "µs",
                [result[key] for result in measured[freehold.port]],
                "a static upstream",
                [result[key] for result in measured[port]],
                aim if key == "p50" else None,
            )
