"""Runs the scenarios that are named, or all, and prints what they measured."""

import argparse
import importlib
import json
import sys
import traceback

from . import figures

# In the order they are run; each is a module with `figures()`, which yields a Figure at a time.
SCENARIOS = {
    "onboarding": "POST /tenants to the first page, one tenant at a time",
    "many": "20 tenants asked for together",
    "wake": "the first request to a tenant that sleeps",
    "routes": "the edge with ten thousand routes",
    "replacement": "releases, the control plane and the edge's configuration change under load",
    "api": "the API with ten thousand tenants",
    "identity": "knowing who asks: tokens, sign-ins, a crowd of a thousand, rows that only some may see",
    "signin": "people sign in to an app through the edge; signed requests; what a token is worth",
    "memory": "the platform's own processes at rest, with a hundred tenants",
}


def main():
    listing = "\n".join(f"  {name:<12} {what}" for name, what in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures Freehold beside its references.",
        epilog=f"names:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (all, if none is named)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as an array of objects")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")

    measured, broken = [], []
    for name in arguments.names or SCENARIOS:
        print(f"== {name}: {SCENARIOS[name]}", file=sys.stderr, flush=True)
        try:
            for figure in importlib.import_module(f"benchmarks.{name}").figures():
                measured.append(figure)
                print(f"   {figures.line(figure)}", file=sys.stderr, flush=True)
        except Exception:
            traceback.print_exc()
            broken.append(name)
    print(figures.table(measured))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([figure.as_json() for figure in measured], file, indent=2)
            file.write("\n")
    if broken:
        sys.exit(f"could not be measured: {', '.join(broken)}")


main()
