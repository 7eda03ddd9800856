"""An installation's edge: its control door, its processes, and what they use."""

import json
import re
import time
import uuid
from pathlib import Path

from . import engine
from .freehold import Stopwatch, until


class Edge:
    def __init__(self, freehold):
        self.door = f"{freehold.home}/run/edge/door.sock"
        self.configuration = Path(freehold.home, "edge/nginx.conf")
        label = {"freehold.installation": freehold.id, "freehold.role": "edge"}
        (found,) = engine.find("containers", **label)
        self.container, self.image = found["Id"], found["ImageID"]

    def ask(self, method, path, body=None):
        connection = engine.Connection(self.door)
        try:
            connection.request(method, path, body and json.dumps(body), {"Host": "door"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} at the door: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    def set(self, *routes):
        self.ask("PUT", "/routes", {"routes": list(routes)})

    def withdraw(self, *hosts):
        self.ask("DELETE", "/routes", {"hosts": list(hosts)})

    def address(self, host):
        """Where the live route of a host leads."""
        return next(one["address"] for one in self.ask("GET", "/routes")["routes"] if one["host"] == host)

    def reload(self):
        """Puts another configuration in force as `freehold up` does it, without the trial that comes before."""
        mark = uuid.uuid4().hex
        text = self.configuration.read_text(encoding="utf-8")
        staged = self.configuration.with_suffix(".next")
        staged.write_text(re.sub('(?<=configuration = ")[^"]*', mark, text), encoding="utf-8")
        staged.rename(self.configuration)
        watch = Stopwatch()
        while self.ask("PUT", "/closing")["waiting"] and watch.seconds < 2 or watch.seconds < 0.5:
            time.sleep(0.05)
        before = workers(self.container)
        engine.call("POST", f"/containers/{self.container}/kill", signal="HUP")
        until(lambda: self.ask("GET", "/health")["configuration"] == mark, "the configuration to be in force", 0.01)
        # else they would be who answers at the door when the next begins
        until(lambda: not before & workers(self.container), "the workers before to take nothing more", 0.02)


def route(host, house, address):
    return {"host": host, "house": house, "address": address}


def processes(container):
    """The processes of a container, by their ids on this machine, with what each is called."""
    seen = engine.call("GET", f"/containers/{container}/top", ps_args="-o pid,args")
    return {int(process): name for process, name in seen["Processes"]}


def workers(container):
    """The processes of an nginx that take requests."""
    found = processes(container).items()
    return {process for process, name in found if "worker process" in name and "shutting" not in name}


def memory(container):
    """MiB of all processes of a container; what they share counts once."""
    return sum(proportional(process) for process in processes(container)) / 1024


def proportional(process):
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def cpu(running):
    """Microseconds that these processes have run."""
    stats = (Path(f"/proc/{process}/schedstat").read_text(encoding="utf-8") for process in running)
    return sum(int(stat.split()[0]) for stat in stats) / 1000
