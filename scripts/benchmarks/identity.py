"""What it costs to know who asks: tokens, sign-ins, a crowd, and rows that only some may see."""

import contextlib
import json
import os
import re
import subprocess
import tempfile

from . import engine, rows
from .figures import Figure
from .freehold import installation, until

MEASURE = os.environ["BENCH_MEASURE"]
EMAIL, PASSWORD = "person-{}@example.com", "a benchmark's long password"
# In the crowd, and at once when a page is read.
CROWD, READERS, SIGNING_IN = 1000, 200, 10
ROUNDS, SECONDS = 7, 2
# Whom the limits would send away are not what is measured.
SETTINGS = """worker: { sweep_seconds: 3600 }
limits: { address_per_minute: 1000000, user_per_minute: 1000000, tenant_per_minute: 1000000, sign_in_per_minute: 1000000 }
"""
MEMBERS, TENANTS = 200, 100


def figures():
    checks = measure("tokens")
    yield Figure("token check", "µs", checks["ours"], "a bare decoding", checks["bare"], aim=1.25)
    with installation(SETTINGS) as freehold, tempfile.TemporaryDirectory() as folder:
        rows.fill(freehold, TENANTS)
        people(freehold)
        socket = f"{freehold.home}/run/api/api.sock"
        yield from reading(socket, folder)
        yield from signing_in(socket)
        yield from crowd(socket, folder)
        yield rows_of_members(freehold)
        yield audited(freehold)


def measure(*arguments):
    done = subprocess.run([MEASURE, *map(str, arguments)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def people(freehold):
    """As many users as the crowd has, all with one password, and members of row tenants."""
    freehold.run("user", "create", EMAIL.format(0), "--name", "Person 0", "--password-file", password_file(freehold))
    rows.sql(freehold, f"""
        insert into freehold.users (id, email, name, password_hash, verified_at)
            select gen_random_uuid(), format('person-%s@example.com', n), format('Person %s', n), u.password_hash, now()
              from generate_series(1, {CROWD - 1}) n, freehold.users u where u.email = 'person-0@example.com';
        insert into freehold.memberships (tenant_id, user_id, role)
            select t.id, u.id, 'member'
              from (select id, row_number() over () - 1 as number from freehold.users) u
              join (select id, row_number() over () - 1 as number from freehold.tenants) t
                on t.number between (u.number / {MEMBERS}) * 5 and (u.number / {MEMBERS}) * 5 + 4;
        analyze;
    """)


def password_file(freehold):
    path = f"{freehold.home}/person"
    with open(path, "w", encoding="utf-8") as file:
        file.write(PASSWORD)
    return path


def log_in(number):
    return json.dumps({"email": EMAIL.format(number), "password": PASSWORD})


def reading(socket, folder):
    """`GET /me` by so many at once, beside a server that does nothing."""
    tokens, empty = f"{folder}/tokens", f"{folder}/empty.sock"
    with open(tokens, "w", encoding="utf-8") as file:
        for number in range(READERS):
            file.write(sign_in(socket, number)["access_token"] + "\n")
    with serving(empty):
        ours, reference, rates, limits = [], [], [], []
        load = ["--connections", READERS, "--seconds", SECONDS]
        for turn in range(ROUNDS + 1):
            me = measure("load", socket, "/api/v1/me", "--tokens", tokens, *load)
            nothing = measure("load", empty, "/", *load)
            if me["refused"]:
                raise RuntimeError(f"refused: {me['refused']}")
            if turn:  # the first is to warm up
                ours.append(me["p95"])
                reference.append(nothing["p95"])
                rates.append(me["per_second"])
                limits.append(nothing["per_second"])
    yield Figure(f"GET /me, p95, {READERS} at once", "ms", ours, aim=5)
    yield Figure(f"GET /me, p95, {READERS} at once", "ms", ours, "a handler that does nothing", reference)
    yield Figure(f"GET /me, {READERS} at once", "per second", rates, "a handler that does nothing", limits)


def sign_in(socket, number):
    done = subprocess.run(
        ["curl", "-fsS", "--unix-socket", socket, "-H", "Content-Type: application/json", "-d", log_in(number)]
        + ["http://freehold.localhost/api/v1/auth/login"],
        check=True, capture_output=True, text=True,
    )
    return json.loads(done.stdout)


@contextlib.contextmanager
def serving(socket):
    server = subprocess.Popen([MEASURE, "serve", socket], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(socket), "the server that does nothing")
        yield
    finally:
        server.terminate()
        server.wait()


def signing_in(socket):
    load = ["--connections", SIGNING_IN, "--seconds", SECONDS, "--body", log_in(1)]
    measured = [measure("load", socket, "/api/v1/auth/login", *load) for _ in range(ROUNDS)]
    refused = [one["refused"] for one in measured if one["refused"]]
    if refused:
        raise RuntimeError(f"refused: {refused}")
    yield Figure(f"login, p95, {SIGNING_IN} at once", "ms", [one["p95"] for one in measured], aim=100)
    yield Figure(f"login, {SIGNING_IN} at once", "per second", [one["per_second"] for one in measured])


def crowd(socket, folder):
    """A minute of everybody signing in, reading and refreshing."""
    path = f"{folder}/people"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{EMAIL.format(number)} {PASSWORD}\n" for number in range(CROWD))
    seen = measure("crowd", socket, path)
    deliberate = {what: count for what, count in seen["others"].items() if what.split()[1] in ("429", "503")}
    wrong = {what: count for what, count in seen["others"].items() if what not in deliberate}
    if wrong:
        raise RuntimeError(f"answered wrong: {wrong}")
    for what, took in seen["by"].items():
        name = f"a crowd of {CROWD}: {what} (of {took['answered']})"
        yield Figure(f"{name}, p95", "ms", [took["p95"]])
    yield Figure(f"a crowd of {CROWD}: sent away for a moment", "requests", [sum(deliberate.values())])
    yield Figure(f"a crowd of {CROWD}: errors", "requests", [sum(wrong.values())], aim=0)


# Microseconds for one list of a tenant's members, by round, as a role that sees its rows alone or all.
LIST = """
    create temp table timed (microseconds float8);
    grant all on timed to public;
    select set_config('freehold.tenant', (select tenant_id::text from freehold.memberships limit 1), false) \\gset
    set role {role};
    do $$
    declare
        begun timestamptz;
    begin
        for round in 0..{rounds} loop
            begun := clock_timestamp();
            for turn in 1..200 loop
                perform u.email, u.name, m.role
                   from freehold.memberships m join freehold.users u on u.id = m.user_id
                  where m.tenant_id = current_setting('freehold.tenant')::uuid
                  order by u.email limit 50;
            end loop;
            if round > 0 then
                insert into timed values (extract(epoch from clock_timestamp() - begun) * 1e6 / 200);
            end if;
        end loop;
    end;
    $$;
    select microseconds from timed;
"""


def rows_of_members(freehold):
    ours, reference = [], []
    for _ in range(3):
        for role, samples in (("freehold_api", ours), ("freehold_platform", reference)):
            told = rows.sql(freehold, LIST.format(role=role, rounds=ROUNDS))
            samples.extend(float(line) for line in told.split())
    return Figure("list of a tenant's members", "µs", ours, "without row-level security", reference, aim=1.1)


# One change as the api makes it, and what is written down of it.
CHANGE = """
\\set n random(1, 900)
begin;
select set_config('freehold.tenant', '', true), set_config('freehold.person', '', true),
       set_config('role', 'freehold_platform', true);
update freehold.users set name = 'Person ' || :n where email = 'person-' || :n || '@example.com';
{more}
commit;
"""
ENTRY = """
insert into freehold.audit (id, at, tenant_id, actor_kind, actor, action, target, outcome, address, user_agent,
                            request_id, diff, seal)
    values (gen_random_uuid(), now(), null, 'nobody', 'a benchmark', 'user.update', 'somebody', 'done', '192.0.2.1',
            'a benchmark of writes', '0123456789abcdef', '{"name":{"before":"Person","after":"Person"}}',
            decode(repeat('00', 32), 'hex'));
"""


def audited(freehold):
    """Changes by eight writers at once, written down and not."""
    ours, reference = [], []
    for _ in range(ROUNDS):
        ours.append(changes(freehold, ENTRY))
        reference.append(changes(freehold, ""))
    return Figure("audited writes, 8 writers", "per second", ours, "the same unaudited", reference)


def changes(freehold, more):
    with open(f"{freehold.home}/secrets/database_api", encoding="utf-8") as file:
        password = file.read().strip()
    (server,) = engine.find("containers", **{"freehold.installation": freehold.id, "freehold.role": "postgres"})
    done = subprocess.run(
        ["docker", "exec", "-i", "-e", f"PGPASSWORD={password}", server["Id"], "pgbench", "-n", "-c", "8", "-j", "2"]
        + ["-T", str(SECONDS), "-h", "/var/run/postgresql", "-U", "freehold_api", "-f", "/dev/stdin", "freehold"],
        input=CHANGE.format(more=more), check=True, capture_output=True, text=True,
    )
    told = re.search(r"tps = ([0-9.]+)", done.stdout)
    if not told or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench: {done.stdout}{done.stderr}")
    return float(told.group(1))
