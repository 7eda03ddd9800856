"""The edge with ten thousand routes: what it takes, how soon a change is active, and what it adds to a request."""

import contextlib
import http.client
import time

from . import rows
from .caller import Caller
from .edge import Edge, cpu, memory, route, workers
from .figures import Figure, percentile
from .freehold import DOMAIN, PAGE, Stopwatch, free_port, installation, until
from .load import Steady, failed, flood
from .nginx import APP, MAP, STATIC, nginx

TENANTS = 10_000
CHANGES = 500
RELOADS = 50
# Changes that are timed.
TIMED = 20
# Hosts that are asked for, of all that have a route.
ASKED = [rows.host(number) for number in range(0, TENANTS, TENANTS // 64)]
# Rounds that are told, and what one visitor asks in each: so many blocks of so many requests of either side.
ROUNDS, BLOCKS, BLOCK = 12, 20, 20


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
    with static(freehold, edge, edge.address(pattern), pattern) as reference:
        sides = [Side(one, port, [pattern], PAGE) for one, port in ((edge.container, freehold.port), reference)]
        yield from told("a tenant's page", *alone(sides), aim=1.05)
    with static(freehold, edge, f"127.0.0.1:{at_once.port}", ASKED[0]) as reference:
        sides = [Side(one, port, ASKED) for one, port in ((edge.container, freehold.port), reference)]
        yield from told("an app that answers at once", *alone(sides))
        yield from told("the same, 8 at a time", *together(sides))


@contextlib.contextmanager
def static(freehold, edge, app, host):
    port = free_port()
    with nginx(edge.image, STATIC.format(port=port, public=freehold.port, app=app), port, host=host) as one:
        yield one.name, port


class Side:
    """One of two that are compared."""

    def __init__(self, container, port, hosts, path="/"):
        self.port, self.hosts, self.workers = port, hosts, workers(container)
        # who comes alone stays where he is
        self.caller = Caller(port, hosts[:1], path)

    def cpu(self):
        return cpu(self.workers)


def alone(sides):
    """One visitor, who asks both in turn, some requests each: by round, what each side took."""
    rounds = [[] for _ in sides]
    for turn in range(ROUNDS + 1):
        took, spent = [[] for _ in sides], [0 for _ in sides]
        for block in range(BLOCKS):
            for number in range(len(sides)) if block % 2 else reversed(range(len(sides))):
                began = sides[number].cpu()
                took[number].extend(sides[number].caller.ask() for _ in range(BLOCK))
                spent[number] += sides[number].cpu() - began
        if turn:  # the first is to warm up
            for round_, times, cpu_of in zip(rounds, took, spent):
                of_one = {"p50": percentile(times, 50), "p99": percentile(times, 99), "cpu": cpu_of / len(times)}
                round_.append(of_one)
    return rounds


def together(sides):
    """Eight visitors who ask as fast as they are answered, one side and then the other, a second each."""
    rounds = [[] for _ in sides]
    for turn in range(ROUNDS + 1):
        for number in range(len(sides)) if turn % 2 else reversed(range(len(sides))):
            began = sides[number].cpu()
            result = flood(sides[number].port, sides[number].hosts, 8)
            result["cpu"] = (sides[number].cpu() - began) / result["requests"]
            if turn:
                rounds[number].append(result)
    return rounds


def told(name, ours, reference, aim=None):
    for what, key in (("median", "p50"), ("p99", "p99"), ("CPU of nginx", "cpu")):
        samples, others = ([result[key] for result in results] for results in (ours, reference))
        of_median = aim if key == "p50" else None
        yield Figure(f"{name}: {what}", "µs", samples, "a static upstream", others, of_median)
