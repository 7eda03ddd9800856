"""An installation of the benchmark's own, and its tenants."""

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

from sign_in import sign_in

# What is measured is asked more often than people ask.
UNLIMITED = "limits: { user_per_minute: 100000000, tenant_per_minute: 100000000 }"

BINARY = os.environ["BENCH_BINARY"]
IMAGES = os.environ["BENCH_IMAGES"]
DOMAIN = "freehold.localhost"
# A page that the app makes for whoever comes: others it makes for people who signed in.
PAGE = "/auth/signed-out"
# Between two questions whether something is there yet: an error of a few milliseconds at the most.
PAUSE = 0.005


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def free_pool():
    """A /20 of 10.64.0.0/10 that no route of this machine leads into."""
    routes = subprocess.run(["ip", "-4", "route"], check=True, capture_output=True, text=True).stdout
    while True:
        pool = f"10.{random.randrange(64, 128)}.{random.randrange(0, 256, 16)}"
        if f"{pool.rsplit('.', 1)[0]}." not in routes:
            return f"{pool}.0/20"


class Installation:
    """One that is up. `settings` is YAML that is added to what keeps it apart from others."""

    def __init__(self, home, settings):
        self.home, self.port = home, free_port()
        unlimited = "" if "limits:" in settings else UNLIMITED
        with open(f"{home}/config.yaml", "w", encoding="utf-8") as file:
            file.write(f"edge: {{ port: {self.port} }}\nnetwork: {{ pool: {free_pool()} }}\n{unlimited}\n{settings}\n")
        self.up()
        with open(f"{home}/installation", encoding="utf-8") as file:
            self.id = file.read().strip()
        self.token = self.run("token").strip()

    def run(self, *arguments):
        """Runs the command line; what it prints."""
        done = subprocess.run([BINARY, "--home", self.home, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"freehold {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self, **settings):
        """Once more, with these settings besides; what was done about each service."""
        more = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items()]
        return dict(json.loads(self.run("up", "--images", IMAGES, "--json", *more))["services"])

    def connection(self):
        """A connection to the edge, kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method, path, body=None, connection=None):
        """Asks the API; status and what it answered."""
        headers = {"Host": f"admin.{DOMAIN}", "Authorization": f"Bearer {self.token}"}
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        with contextlib.ExitStack() as stack:
            connection = connection or stack.enter_context(contextlib.closing(self.connection()))
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text else None

    def create(self, slug, **more):
        """Asks for a tenant and does not wait for it."""
        status, answer = self.ask("POST", "/api/v1/tenants", {"name": slug, "slug": slug, **more})
        if status != 202:
            raise RuntimeError(f"{slug} was not accepted: {status} {answer}")

    def first_page(self, slug, path=PAGE, pause=PAUSE):
        """Waits for the first 200 through the edge."""
        await_page("127.0.0.1", self.port, path, f"{slug}.{DOMAIN}", pause)

    def session(self, slug):
        """The cookie of somebody who signed in to the tenant's app as people do."""
        password, email = f"{self.home}/guest.password", "guest@example.com"
        if not os.path.exists(password):
            with open(password, "w", encoding="utf-8") as file:
                file.write("correct horse battery staple")
            self.run("user", "create", email, "--name", "A guest", "--password-file", password)
        self.run("member", "add", slug, email, "--role", "owner")
        with open(password, encoding="utf-8") as file:
            return sign_in(f"http://{slug}.{DOMAIN}:{self.port}", email, file.read())

    def settled(self, slug, status):
        """Waits until the tenant is as it should be."""
        def there():
            tenant = self.ask("GET", f"/api/v1/tenants/{slug}")[1]
            if tenant["status"] == "stuck":
                raise RuntimeError(f"{slug} is stuck: {tenant['stuck_reason']}")
            return tenant["status"] == status and tenant["generation"] == tenant["converged_generation"]
        until(there, f"{slug} to be {status}", pause=0.05)

    def verb(self, slug, verb, status):
        code, answer = self.ask("POST", f"/api/v1/tenants/{slug}/{verb}")
        if code != 202:
            raise RuntimeError(f"{verb} of {slug} was not accepted: {code} {answer}")
        self.settled(slug, status)

    def remove(self, slug):
        """Erases a tenant with its data, and waits until it is gone."""
        self.run("tenant", "delete", slug, "--erase", "--yes", "--slug", slug)
        until(lambda: self.ask("GET", f"/api/v1/tenants/{slug}")[0] == 404, f"{slug} to be gone", pause=0.05)


@contextlib.contextmanager
def installation(settings=""):
    """Brings one up and erases it at the end, however that comes."""
    home = tempfile.mkdtemp(prefix="fh-bench-")
    try:
        yield Installation(home, settings)
    finally:
        subprocess.run([BINARY, "--home", home, "down", "--erase", "--yes"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def until(condition, what, pause=PAUSE, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(pause)


def page(address, port, path, host):
    """The status of one page, on a connection of its own; `None` where there is no answer."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def await_page(address, port, path, host, pause=PAUSE):
    until(lambda: page(address, port, path, host) == 200, f"{host}{path}", pause)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self):
        self.began = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.began
