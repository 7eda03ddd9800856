"""The limit: a house of the same containers, made by the bare engine's calls in the best order, with psql."""

import contextlib
import io
import socket
import subprocess
import tarfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import engine
from .freehold import PAGE, PAUSE, await_page, free_pool, until

# Tells what is ours from what is the installation's.
LABEL = "freehold-benchmark"
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations" / "tenant"


class Pattern:
    """What a tenant's house is made of, read back from one that stands, so that a bare one is the same."""

    def __init__(self, installation, slug):
        labels = {"freehold.installation": installation.id}
        found = [engine.inspect(one["Id"]) for one in engine.find("containers", **labels)]
        app = next(one for one in found if f"TENANT_SLUG={slug}" in (one["Config"]["Env"] or []))
        house = app["Config"]["Labels"]["freehold.house"]
        db = next(
            one
            for one in found
            if one["Config"]["Labels"].get("freehold.house") == house
            and one["Config"]["Labels"]["freehold.service"] == "db"
        )
        self.containers = {"app": app, "db": db}
        self.network = engine.call("GET", f"/networks/{app['HostConfig']['NetworkMode']}")
        self.secrets = {name: secrets_of(one["Id"]) for name, one in self.containers.items()}
        self.password = in_archive(self.secrets["db"], "POSTGRES_PASSWORD")
        self.url = in_archive(self.secrets["app"], "DATABASE_URL")
        self.port = int(next(iter(app["Config"]["ExposedPorts"])).split("/")[0])

    def body(self, service, network, volume):
        """What the engine is asked for one container."""
        seen = self.containers[service]
        kept = ("Image", "Env", "Cmd", "Entrypoint", "User", "StopSignal", "StopTimeout")
        host = dict(seen["HostConfig"], NetworkMode=network)
        host["Mounts"] = [dict(mount) for mount in host["Mounts"]]
        for mount in host["Mounts"]:
            # the installation's labels stay its own
            mount["VolumeOptions"] = {"NoCopy": mount.get("VolumeOptions", {}).get("NoCopy", False)}
            if mount.get("Source"):
                mount["Source"] = volume
        endpoint = {"Aliases": [service]}
        return {key: seen["Config"].get(key) for key in kept} | {
            "Labels": {LABEL: "bare"},
            "HostConfig": host,
            "NetworkingConfig": {"EndpointsConfig": {network: endpoint}},
        }

    def script(self):
        """What prepares and migrates a fresh database, in one session of psql."""
        app_password = self.url.split(":", 2)[2].split("@")[0]
        parts = [
            "begin;",
            "create role freehold_owner login password 'owner' connection limit 4;",
            f"create role app login password '{app_password}' connection limit 20;",
            "create role freehold_monitor login password 'monitor' connection limit 2;",
            "grant pg_monitor to freehold_monitor;",
            "revoke all on database app, postgres, template1 from public;",
            "grant connect on database app to freehold_owner, app, freehold_monitor;",
            "revoke all on schema public from public;",
            "create schema app authorization freehold_owner;",
            "create schema freehold authorization freehold_owner;",
            "grant usage on schema public, app, freehold to app;",
            "alter default privileges for role freehold_owner in schema app"
            " grant select, insert, update, delete on tables to app;",
            "alter default privileges for role freehold_owner in schema app"
            " grant usage, select on sequences to app;",
            "alter role app in database app set search_path = app, public;",
            "set role freehold_owner; set search_path = app, public;",
            *(file.read_text(encoding="utf-8") for file in sorted(MIGRATIONS.glob("V*.sql"), key=version)),
            "create table freehold.schema_history (version bigint primary key);",
            f"insert into freehold.schema_history select generate_series(1, {len(list(MIGRATIONS.glob('V*.sql')))});",
            "grant select on freehold.schema_history to app;",
            "commit;",
        ]
        return "\n".join(parts)


def version(file):
    return int(file.name[1:].split("__")[0])


def secrets_of(container):
    """A container's secrets as an archive that can be unpacked where secrets are found."""
    source = engine.call("GET", f"/containers/{container}/archive", path="/run/secrets")
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(source)) as old, tarfile.open(fileobj=target, mode="w") as new:
        for member in old.getmembers():
            if member.isfile():
                content = old.extractfile(member)
                member.name = member.name.removeprefix("secrets/")
                new.addfile(member, content)
    return target.getvalue()


def in_archive(archive, name):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(name).read().decode()


def listens(address, port):
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


class House:
    """A house that no control plane knows."""

    def __init__(self, pattern, pause=PAUSE, pool=None):
        self.pattern, self.pause = pattern, pause
        self.name = f"fh-bare-{uuid.uuid4().hex[:10]}"
        self.pool = pool or free_pool().replace(".0/20", ".0/28")
        self.containers = {}

    def build(self):
        """From nothing to the first page."""
        with ThreadPoolExecutor(4) as together:
            volume = together.submit(
                engine.call, "POST", "/volumes/create", {"Name": self.name, "Labels": {LABEL: "bare"}}
            )
            options = self.pattern.network["Options"]
            engine.call(
                "POST",
                "/networks/create",
                {
                    "Name": self.name,
                    "Driver": "bridge",
                    "Labels": {LABEL: "bare"},
                    "IPAM": {"Config": [{"Subnet": self.pool}]},
                    "Options": options | {"com.docker.network.bridge.name": self.name[3:18]},
                },
            )
            volume.result()
            # the app is patient: it may start beside its database
            app = together.submit(self.create_and_start, "app")
            self.create_and_start("db")
            self.migrate()
            app.result()
            self.await_app()
        return self

    def create_and_start(self, service):
        body = self.pattern.body(service, self.name, self.name)
        made = engine.call("POST", "/containers/create", body, name=f"{self.name}-{service}")
        self.containers[service] = made["Id"]
        engine.call(
            "PUT",
            f"/containers/{made['Id']}/archive",
            self.pattern.secrets[service],
            content="application/x-tar",
            path="/run/secrets",
        )
        engine.start(made["Id"])

    def migrate(self):
        address = engine.address(self.containers["db"])
        psql = ["psql", "-q", "-h", address, "-U", "postgres", "-d", "app", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        environment = {"PGPASSWORD": self.pattern.password, "PATH": "/usr/bin:/bin", "PGCONNECT_TIMEOUT": "5"}
        script = self.pattern.script()

        # psql is started when there is somebody to let it in: failing again and again would cost more than waiting
        until(lambda: listens(address, 5432), "the database to listen")

        def done():
            ran = subprocess.run(psql, input=script, env=environment, capture_output=True, text=True)
            # 2: no connection, yet; what the script says is wrong is wrong for good
            if ran.returncode not in (0, 2):
                raise RuntimeError(ran.stderr)
            return ran.returncode == 0

        until(done, "psql to be let in")

    def await_app(self):
        # the host is the one that the app knows itself by
        host = next(
            entry.split("=", 1)[1].split(",")[0]
            for entry in self.pattern.containers["app"]["Config"]["Env"]
            if entry.startswith("PUBLIC_HOSTS=")
        )
        await_page(engine.address(self.containers["app"]), self.pattern.port, PAGE, host, self.pause)

    def stop(self):
        with ThreadPoolExecutor(2) as together:
            list(together.map(engine.stop, self.containers.values()))

    def wake(self):
        """Both containers at the same time, until the app answers."""
        with ThreadPoolExecutor(2) as together:
            list(together.map(engine.start, self.containers.values()))
        self.await_app()

    def remove(self):
        for service in ("app", "db"):
            engine.call("DELETE", f"/containers/{self.name}-{service}", force="true", v="true")
        engine.call("DELETE", f"/networks/{self.name}")
        engine.call("DELETE", f"/volumes/{self.name}")


@contextlib.contextmanager
def house(pattern):
    """One that stands, and is removed at the end."""
    one = House(pattern)
    try:
        yield one.build()
    finally:
        one.remove()
