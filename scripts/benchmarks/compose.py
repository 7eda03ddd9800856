"""What people do by hand: docker-compose with a database image that runs initdb, and a server block of nginx."""

import contextlib
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from . import engine
from .bare import LABEL, in_archive
from .freehold import PAGE, Stopwatch, await_page, free_port, until

HERE = Path(__file__).resolve().parent
IMAGE = "freehold/bench-initdb:1"


class Stage:
    """An nginx, and houses that are added to it one at a time."""

    def __init__(self, pattern, directory, nginx, port):
        self.pattern, self.directory, self.nginx, self.port = pattern, directory, nginx, port
        self.command = ["docker", "compose"]
        if subprocess.run([*self.command, "version"], capture_output=True, check=False).returncode:
            self.command = ["docker-compose"]

    def house(self):
        """Seconds from `up` to the first page through nginx."""
        name, port = f"fhbench{uuid.uuid4().hex[:8]}", free_port()
        home = self.directory / name
        home.mkdir()
        self.write(home, port)
        compose = [*self.command, "-p", name, "-f", str(home / "compose.yaml")]
        watch = Stopwatch()
        try:
            run(compose + ["up", "-d"])
            (self.directory / "sites" / f"{name}.conf").write_text(
                f"server {{ listen 127.0.0.1:{self.port}; server_name {name}.localhost;\n"
                f"  location / {{ proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $host; }} }}\n",
                encoding="utf-8",
            )
            engine.call("POST", f"/containers/{self.nginx}/kill", signal="HUP")
            await_page("127.0.0.1", self.port, PAGE, f"{name}.localhost")
            return watch.seconds
        finally:
            run(compose + ["down", "-v", "-t", "5"])

    def write(self, home, port):
        """The stack file and what it mounts."""
        for service in ("db", "app"):
            for name in {"db": ["POSTGRES_PASSWORD"], "app": ["DATABASE_URL", "APP_KEY", "CLIENT_SECRET"]}[service]:
                (home / name).write_text(in_archive(self.pattern.secrets[service], name), encoding="utf-8")
        (home / "1-all.sql").write_text(self.pattern.script(), encoding="utf-8")
        app = self.pattern.containers["app"]
        hosts = "PUBLIC_HOSTS=" + f"{home.name}.localhost"
        environment = [entry for entry in app["Config"]["Env"] if not entry.startswith("PUBLIC_HOSTS=")]
        listed = "".join(f"      - {json_text(entry)}\n" for entry in [*environment, hosts])
        (home / "compose.yaml").write_text(
            f"""version: "2.4"
services:
  db:
    image: {IMAGE}
    environment:
      POSTGRES_PASSWORD_FILE: /run/secrets/POSTGRES_PASSWORD
      POSTGRES_DB: app
    volumes:
      - data:/var/lib/postgresql/data
      - ./POSTGRES_PASSWORD:/run/secrets/POSTGRES_PASSWORD:ro
      - ./1-all.sql:/docker-entrypoint-initdb.d/1-all.sql:ro
    healthcheck:
      test: ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"]
      interval: 1s
      retries: 60
  app:
    image: {app["Config"]["Image"]}
    depends_on:
      db: {{ condition: service_healthy }}
    environment:
{listed}    volumes:
      - ./DATABASE_URL:/run/secrets/DATABASE_URL:ro
      - ./APP_KEY:/run/secrets/APP_KEY:ro
      - ./CLIENT_SECRET:/run/secrets/CLIENT_SECRET:ro
    ports: ["127.0.0.1:{port}:{self.pattern.port}"]
volumes:
  data:
""",
            encoding="utf-8",
        )


def json_text(text):
    import json

    return json.dumps(text).replace("$", "$$")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def stage(pattern):
    """Builds the database image, starts nginx, and takes everything away at the end but the image."""
    db = pattern.containers["db"]["Config"]["Image"]
    run(["docker", "build", "-q", "-t", IMAGE, "--build-arg", f"FROM={db}", str(HERE / "initdb")])
    directory = Path(tempfile.mkdtemp(prefix="fh-bench-compose-"))
    directory.chmod(0o755)
    (directory / "sites").mkdir()
    port = free_port()
    (directory / "nginx.conf").write_text(
        f"daemon off; pid /tmp/nginx.pid; worker_processes 2; error_log stderr;\n"
        f"events {{ worker_connections 4096; }}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port} default_server; return 404; }}\n"
        f"  client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;\n"
        f"  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;\n"
        f"  include {directory}/sites/*.conf; }}\n",
        encoding="utf-8",
    )
    name = f"fh-bench-nginx-{uuid.uuid4().hex[:8]}"
    try:
        run(
            ["docker", "run", "-d", "--name", name, "--label", LABEL, "--network", "host"]
            + ["-v", f"{directory}:{directory}:ro", "--entrypoint", "nginx", edge_image(pattern)]
            + ["-e", "stderr", "-c", f"{directory}/nginx.conf"]
        )
        until(lambda: listens(port), "nginx")
        yield Stage(pattern, directory, name, port)
    finally:
        engine.call("DELETE", f"/containers/{name}", force="true", v="true")
        shutil.rmtree(directory, ignore_errors=True)


def listens(port):
    from .freehold import page

    return page("127.0.0.1", port, "/", "localhost") == 404


def edge_image(pattern):
    """The image that holds an nginx: the installation's own edge."""
    installation = pattern.containers["app"]["Config"]["Labels"]["freehold.installation"]
    found = engine.find("containers", **{"freehold.installation": installation, "freehold.role": "edge"})
    return found[0]["ImageID"]
