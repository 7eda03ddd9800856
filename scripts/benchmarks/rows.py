"""Tenants that are rows in the registry and nothing else: asleep, each with a house, a host name and an operation."""

import os
import subprocess

from .freehold import DOMAIN

FILL = """
    create temp table filling as
        select number, gen_random_uuid() as tenant, format('row-%s', to_char(number, 'FM00000')) as slug
          from generate_series(0, :count - 1) number;
    insert into freehold.tenants (id, slug, name, plan, desired_state, converged_generation, release_id, ever_ready,
                                  created_by, created_at)
        select tenant, slug, format('Row %s of many', number), 'starter', 'asleep', 1,
               (select id from freehold.releases limit 1), true, 'benchmark',
               now() - make_interval(secs => :count - number)
          from filling;
    insert into freehold.houses (id, tenant_id, subnet, schema_version)
        select format('b%srows', to_char(number, 'FM00000')), tenant, set_masklen('172.16.0.0'::inet + number * 16, 28), 2
          from filling;
    insert into freehold.host_names (name, tenant_id, is_primary)
        select slug || '.' || :'domain', tenant, true from filling;
    insert into freehold.operations (id, tenant_id, slug, kind, state, generation, requested_by, started_at, finished_at)
        select gen_random_uuid(), tenant, slug, 'create', 'succeeded', 1, 'benchmark', now(), now() from filling;
    analyze;
"""


def slug(number):
    return f"row-{number:05}"


def host(number):
    return f"{slug(number)}.{DOMAIN}"


def house(number):
    return f"b{number:05}rows"


def fill(freehold, count):
    """Adds `count` of them. Let the installation sweep seldom: to it their houses are not as they should be."""
    sql(freehold, FILL, f"count={count}", f"domain={DOMAIN}")


def sql(freehold, text, *variables):
    """Runs statements in the registry as its superuser; what they print."""
    with open(f"{freehold.home}/secrets/database_superuser", encoding="utf-8") as file:
        password = file.read().strip()
    values = [argument for variable in ("ON_ERROR_STOP=1", *variables) for argument in ("-v", variable)]
    done = subprocess.run(
        ["psql", "-q", "-A", "-t", "-h", f"{freehold.home}/run/postgres", "-U", "postgres", "-d", "freehold"]
        + [*values, "-f", "-"],
        input=text,
        env={**os.environ, "PGPASSWORD": password},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
