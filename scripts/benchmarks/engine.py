"""The bare engine: its own API over its socket, without any of our code."""

import http.client
import json
import os
import socket
import urllib.parse

SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path=SOCKET):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(method, path, body=None, /, *, content="application/json", **query):
    """One call; what it answered, parsed. Not modified and not found are no errors: what was wanted is so."""
    if query:
        path += "?" + urllib.parse.urlencode(query)
    headers = {}
    if body is not None:
        headers["Content-Type"] = content
        body = json.dumps(body).encode() if content == "application/json" else body
    connection = Connection()
    try:
        connection.request(method, f"/v1.41{path}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 400 and not (answer.status == 404 and method == "DELETE"):
        raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
    return json.loads(text) if text and "json" in answer.headers.get("Content-Type", "") else text


def find(kind, **labels):
    """What carries these labels, running or not: containers, networks or volumes."""
    filters = json.dumps({"label": [f"{name}={value}" for name, value in labels.items()]})
    query = {"filters": filters} | ({"all": "true"} if kind == "containers" else {})
    found = call("GET", f"/{kind}" + ("/json" if kind == "containers" else ""), **query)
    return found["Volumes"] if kind == "volumes" else found


def inspect(container):
    return call("GET", f"/containers/{container}/json")


def address(container):
    """Where a running container is reached from this machine."""
    (network,) = inspect(container)["NetworkSettings"]["Networks"].values()
    return network["IPAddress"]


def start(container):
    call("POST", f"/containers/{container}/start")


def stop(container):
    call("POST", f"/containers/{container}/stop", t=10)
