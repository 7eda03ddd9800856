"""Load on a server: at a steady rate, where each failure counts; as fast as it goes, where each microsecond does."""

import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from .figures import Figure

# What a browser sends.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Cookie": "session=0123456789abcdef0123456789abcdef",
}
# Prints what the run came to, and asks for the hosts in turn.
SCRIPT = Path(__file__).with_name("wrk.lua")


class Steady:
    """Clients that ask in turn for each of the hosts, `rate` times a second together, until the block ends. With a
    `body`, they send it by POST; with a
    `cookie`, as somebody who signed in."""

    def __init__(self, port, hosts, *, rate, clients, closing, path="/", body=None, cookie=None):
        self.port, self.hosts, self.closing, self.path, self.body = port, hosts, closing, path, body
        self._headers = HEADERS | ({"Cookie": cookie, "Sec-Fetch-Site": "same-origin"} if cookie else {})
        self.answered, self.failures = 0, []
        self._pause = clients / rate
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        connection = None
        due = time.monotonic()
        while not self._ended.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            host = self.hosts[number % len(self.hosts)]
            number += 1
            wrong = self._one(connection, host)
            if self.closing or wrong:
                connection.close()
                connection = None
            with self._lock:
                self.answered += 1
                if wrong:
                    self.failures.append(f"{host}: {wrong}")
            due = max(due + self._pause, time.monotonic() - 1)
            self._ended.wait(max(0, due - time.monotonic()))
        if connection:
            connection.close()

    def _one(self, connection, host):
        """What was wrong with one request, if anything."""
        try:
            headers = {"Host": host, **self._headers}
            if self.closing:
                headers["Connection"] = "close"
            if self.body is not None:
                headers |= {"Content-Type": "application/json", "Accept": "application/json"}
            method = "GET" if self.body is None else "POST"
            connection.request(method, self.path, self.body, headers)
            answer = connection.getresponse()
            answer.read()
            return None if answer.status in (200, 201) else f"status {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)


def failed(name, *loads):
    """How many requests failed, of all; none may."""
    answered, failures = sum(load.answered for load in loads), [one for load in loads for one in load.failures]
    if not all(load.answered for load in loads):
        raise RuntimeError("nothing was asked for")
    for failure in failures[:5]:
        print(f"   {failure}", file=sys.stderr)
    return Figure(f"{name} (of {answered})", "requests", [len(failures)], aim=0)


def flood(port, hosts, connections, path="/", seconds=1):
    """As many requests as `connections` can have answered one after the other: microseconds and numbers."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as list_of_hosts:
        list_of_hosts.write("\n".join(hosts))
        list_of_hosts.flush()
        headers = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), *headers]
            + [f"http://127.0.0.1:{port}{path}", "--", list_of_hosts.name],
            capture_output=True,
            text=True,
        )
    told = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if done.returncode or not told:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    result = json.loads(told[1])
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed: {done.stdout}")
    return result
