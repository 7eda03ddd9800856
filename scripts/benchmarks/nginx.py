"""An nginx of the benchmark's own, from the edge's image: an app that answers at once, or what others put in front."""

import contextlib
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from . import engine
from .bare import LABEL
from .freehold import page, until

FRAME = """daemon off;
pid /tmp/nginx.pid;
error_log stderr warn;
worker_processes {workers};
events {{ worker_connections 16384; }}
http {{
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
    uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    keepalive_requests 10000;
{http}
}}
"""
# An app that answers at once, with a page of 1 kB.
APP = """
    access_log off;
    default_type text/html;
    server {{ listen 127.0.0.1:{port}; return 200 "{page}"; }}
"""
# One static upstream, and otherwise what the edge has too: log, limits, headers, kept connections. To the app it is
# as if it had been asked at the edge's port, `public`.
STATIC = """
    log_format json escape=json
        '{{"at":"$time_iso8601","request":"$request_id","host":"$host","method":"$request_method",'
        '"path":"$uri","status":$status,"in":$request_length,"out":$bytes_sent,"seconds":$request_time,'
        '"from":"$remote_addr"}}';
    access_log /dev/stdout json buffer=32k flush=1s;
    server_tokens off;
    client_header_buffer_size 4k;
    client_max_body_size 64m;
    limit_conn_zone $host zone=connections:10m;
    limit_req_zone $host zone=requests:10m rate=10000r/s;
    map $http_upgrade $connection_to_app {{ default ""; websocket upgrade; }}
    proxy_http_version 1.1;
    proxy_set_header Host $host:{public};
    proxy_set_header Connection $connection_to_app;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $host:{public};
    proxy_set_header X-Forwarded-Port {public};
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Request-Id $request_id;
    proxy_connect_timeout 2s;
    proxy_buffering off;
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    add_header X-Request-Id $request_id always;
    upstream app {{ server {app}; keepalive 32; keepalive_timeout 4s; keepalive_requests 10000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            limit_conn connections 2000;
            limit_req zone=requests burst=20000 nodelay;
            proxy_pass http://app;
        }}
    }}
"""
# Every host in a map, which is read anew when something in it changes. {port} and {directory} are filled in.
MAP = """
    access_log off;
    map_hash_max_size 65536;
    map_hash_bucket_size 128;
    map $host $app { include {directory}/hosts.map; }
    server { listen 127.0.0.1:{port}; location / { proxy_pass http://$app; proxy_set_header Host $host; } }
"""


class Nginx:
    """One that runs."""

    def __init__(self, name, port, directory):
        self.name, self.port, self.directory = name, port, directory

    def write_map(self, hosts):
        lines = "".join(f"{host} {app};\n" for host, app in hosts.items())
        (self.directory / "hosts.map").write_text(lines, encoding="utf-8")

    def reload(self):
        engine.call("POST", f"/containers/{self.name}/kill", signal="HUP")


@contextlib.contextmanager
def nginx(image, http, port, workers=2, hosts=None, host="localhost"):
    """Runs it until the block ends. It is there when it answers for this host and path."""
    directory = Path(tempfile.mkdtemp(prefix="fh-bench-nginx-"))
    directory.chmod(0o755)
    name = f"fh-bench-nginx-{uuid.uuid4().hex[:8]}"
    one = Nginx(name, port, directory)
    one.write_map(hosts or {})
    (directory / "nginx.conf").write_text(
        FRAME.format(workers=workers, http=http.replace("{directory}", str(directory))), encoding="utf-8"
    )
    try:
        subprocess.run(
            ["docker", "run", "-d", "--name", name, "--label", LABEL, "--network", "host"]
            + ["-v", f"{directory}:{directory}:ro", "--entrypoint", "nginx", image]
            + ["-e", "stderr", "-c", f"{directory}/nginx.conf"],
            check=True,
            capture_output=True,
        )
        until(lambda: page("127.0.0.1", port, "/", host) == 200, f"nginx {name}")
        yield one
    finally:
        engine.call("DELETE", f"/containers/{name}", force="true", v="true")
        shutil.rmtree(directory, ignore_errors=True)
