"""What it costs to know who asks: tokens, sign-ins, a crowd, and rows that only some may see. And whether the time of an
answer tells who is known."""

import contextlib
import json
import math
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
api_keys: { per_minute: 1000000 }
"""
MEMBERS, TENANTS = 200, 100


# Costs that OWASP holds for equal: KiB of memory and passes. The first is the default.
COSTS = [(7168, 5), (9216, 4), (12288, 3), (19456, 2), (47104, 1)]
# Pairs of answers that are compared, to people who are known and who are not: each answer takes a fifth of a second.
PAIRS = 100


def figures():
    checks = measure("tokens")
    yield Figure("token check", "µs", checks["ours"], "a bare decoding", checks["bare"], aim=1.25)
    yield Figure("check of a token that is known", "µs", checks["known"], "a bare decoding", checks["bare"])
    yield Figure("check of an API key", "µs", checks["key"], "a token check", checks["ours"], aim=2)
    for memory, passes in COSTS:
        yield Figure(f"one hash at m={memory} t={passes} p=1", "ms", measure("password", memory, passes))
    with installation(SETTINGS) as freehold, tempfile.TemporaryDirectory() as folder:
        rows.fill(freehold, TENANTS)
        people(freehold)
        socket = f"{freehold.home}/run/api/api.sock"
        yield from reading(socket, folder)
        yield from by_key(socket, folder)
        yield from signing_in(socket)
        yield from known_or_not(freehold, socket, folder)
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


def by_key(socket, folder):
    """What anybody may read who is known: by an API key, beside the same by a token."""
    with open(f"{folder}/tokens", encoding="utf-8") as tokens, open(f"{folder}/keys", "w", encoding="utf-8") as keys:
        for token in tokens:
            bearer = f"Authorization: Bearer {token.strip()}"
            made = post(socket, "me/keys", json.dumps({"name": "bench", "scopes": ["tenant.read"]}), "-H", bearer)
            keys.write(made["secret"] + "\n")
    took = {"keys": [], "tokens": []}
    for turn in range(ROUNDS + 1):
        for kind, rounds in took.items():
            load = ["--connections", READERS, "--seconds", SECONDS, "--tokens", f"{folder}/{kind}"]
            plans = measure("load", socket, "/api/v1/plans", *load)
            if plans["refused"]:
                raise RuntimeError(f"refused: {plans['refused']}")
            if turn:  # the first is to warm up
                rounds.append(plans["p95"])
    yield Figure(f"GET /plans by key, p95, {READERS} at once", "ms", took["keys"], "by token", took["tokens"], aim=2)


def sign_in(socket, number):
    return post(socket, "auth/login", log_in(number))


def post(socket, path, body, *more):
    done = subprocess.run(
        ["curl", "-fsS", "--unix-socket", socket, "-H", "Content-Type: application/json", "-d", body, *more]
        + [f"http://freehold.localhost/api/v1/{path}"],
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


# What is asked of an address that may be known or not, by what those who are known are called.
ASKED = {
    "login": ("person", lambda email: {"email": email, "password": "not the password at all"}),
    "forgot-password": ("person", lambda email: {"email": email}),
    "register": ("person", lambda email: {"email": email, "name": "Somebody", "password": PASSWORD}),
    "resend-verification": ("waiting", lambda email: {"email": email}),
}


def known_or_not(freehold, socket, folder):
    """Answers to addresses that have an account and that have none, by turns. Each address is asked once."""
    rows.sql(freehold, f"""
        insert into freehold.users (id, email, name, password_hash)
            select gen_random_uuid(), format('waiting-%s@example.com', n), format('Waiting %s', n), u.password_hash
              from generate_series(0, {PAIRS - 1}) n, freehold.users u where u.email = 'person-0@example.com';
        analyze;
    """)
    for door, (known, body) in ASKED.items():
        files = [f"{folder}/known", f"{folder}/unknown"]
        for path, who in zip(files, (known, f"nobody-{door}")):
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(body(f"{who}-{n}@example.com")) + "\n" for n in range(PAIRS))
        seen = measure("compare", socket, f"/api/v1/auth/{door}", *files)
        if len(seen["statuses"]) != 1:
            raise RuntimeError(f"{door} tells by its status: {seen['statuses']}")
        chance = by_chance(seen["one"], seen["other"])
        name = f"{door}: an address that is known (by chance: {chance:.0%})"
        yield Figure(name, "ms", seen["one"], "one that is not", seen["other"])


def by_chance(one, other):
    """How often two samples of the same differ at least as much: Mann and Whitney's test, by the normal distribution."""
    ranked = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, 1) if is_one)
    m, n = len(one), len(other)
    above = ranks - m * (m + n + 1) / 2
    return math.erfc(abs(above) / math.sqrt(m * n * (m + n + 1) / 12) / math.sqrt(2))


def crowd(socket, folder):
    """A minute of everybody signing in, reading and refreshing."""
    path = f"{folder}/people"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{EMAIL.format(number)} {PASSWORD}\n" for number in range(CROWD))
    seen = measure("crowd", socket, path)
    sent_away = {"429": 0, "503": 0}
    wrong = {}
    for what, count in seen["others"].items():
        status = what.split()[1]
        if status in sent_away:
            sent_away[status] += count
        else:
            wrong[what] = count
    if wrong:
        raise RuntimeError(f"answered wrong: {wrong}")
    for what, took in seen["by"].items():
        name = f"a crowd of {CROWD}: {what} (of {took['answered']})"
        yield Figure(f"{name}, p95", "ms", [took["p95"]])
    yield Figure(f"a crowd of {CROWD}: 429, told to slow down", "requests", [sent_away["429"]])
    yield Figure(f"a crowd of {CROWD}: 503, no place in the line", "requests", [sent_away["503"]])
    yield Figure(f"a crowd of {CROWD}: errors", "requests", [sum(wrong.values())], aim=0)


# As the api reads members in a tenant's scope, and the same from the tables themselves where no policy stands.
MEMBERS_SEEN = ("freehold_api", "freehold.members")
MEMBERS_BARE = ("freehold_platform", """(
    select m.tenant_id, m.role, u.email, u.name from freehold.memberships m join freehold.users u on u.id = m.user_id)""")
# Microseconds for one list of a tenant's members, by round.
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
                perform m.email, m.name, m.role
                   from {members} m
                  where m.tenant_id = current_setting('freehold.tenant')::uuid
                  order by m.email limit 50;
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
        for (role, members), samples in ((MEMBERS_SEEN, ours), (MEMBERS_BARE, reference)):
            told = rows.sql(freehold, LIST.format(role=role, members=members, rounds=ROUNDS))
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
