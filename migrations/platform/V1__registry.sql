-- The registry: what must be, who asked for it, and what the worker recorded on the way there.
-- Locks are taken in the order tenants, houses, operations, wherever more than one of them is needed.

create schema if not exists freehold;

create table freehold.releases (
    id         uuid primary key,
    version    text not null constraint releases_version_key unique,
    checksum   text not null constraint releases_checksum_key unique,
    content    jsonb not null,
    created_at timestamptz not null default now()
);

create table freehold.tenants (
    id                   uuid primary key,
    slug                 text not null constraint tenants_slug_key unique,
    name                 text not null check (name <> ''),
    plan                 text not null,
    settings             jsonb not null default '{}',
    desired_state        text not null check (desired_state in ('running', 'asleep', 'suspended', 'deleted')),
    -- Counts the changes of what is desired; what a worker writes is fenced by it.
    generation           bigint not null default 1,
    converged_generation bigint not null default 0,
    release_id           uuid not null constraint tenants_release_fkey references freehold.releases,
    ever_ready           boolean not null default false,
    deleted_at           timestamptz,
    -- The end of the retention: from then on volumes may be dropped.
    purge_at             timestamptz,
    erase                boolean not null default false,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    created_by           text not null,
    check (converged_generation <= generation),
    check ((desired_state = 'deleted') = (purge_at is not null)),
    check ((desired_state = 'deleted') = (deleted_at is not null))
);

create index tenants_by_name on freehold.tenants (lower(name) collate "C", id);
create index tenants_by_slug on freehold.tenants (slug collate "C", id);
create index tenants_by_age on freehold.tenants (created_at, id);
create index tenants_by_release on freehold.tenants (release_id);

create table freehold.houses (
    id                  text primary key,
    -- A house can stand ready before a tenant moves in.
    tenant_id           uuid constraint houses_tenant_key unique references freehold.tenants,
    subnet              cidr not null constraint houses_subnet_key unique,
    -- What a bridge's short name has room for.
    bridge_key          text not null generated always as (left(id, 6)) stored
                        constraint houses_bridge_key unique,
    lease_worker        bigint,
    lease_token         uuid,
    lease_expires       timestamptz,
    due_at              timestamptz,
    due_reason          text,
    -- Failures in a row, counted for one generation only.
    attempts            integer not null default 0,
    attempts_generation bigint not null default 0,
    failed_generation   bigint,
    stuck_reason        text,
    schema_version      bigint,
    prepared            integer,
    connections_applied integer,
    read_only           boolean not null default false,
    read_only_wanted    boolean not null default false,
    -- The limits each container was last given, by its id.
    limits_applied      jsonb not null default '{}',
    -- Where the web service last answered.
    address             text,
    storage_bytes       bigint,
    storage_measured_at timestamptz,
    created_at          timestamptz not null default now(),
    check ((lease_token is null) = (lease_worker is null)),
    check ((lease_token is null) = (lease_expires is null))
);

create index houses_due on freehold.houses (due_at) where due_at is not null and stuck_reason is null;

create table freehold.volumes (
    id         uuid primary key,
    house      text not null references freehold.houses,
    tenant_id  uuid references freehold.tenants,
    service    text not null,
    number     integer not null,
    name       text not null constraint volumes_name_key unique,
    role       text not null check (role in ('current', 'previous', 'candidate')),
    -- Whether the engine has had it: one that it had and has no longer is lost, not yet to be made.
    made       boolean not null default false,
    drop_after timestamptz,
    created_at timestamptz not null default now(),
    unique (house, service, number)
);

create unique index volumes_current_key on freehold.volumes (house, service) where role = 'current';
create index volumes_by_tenant on freehold.volumes (tenant_id);

create table freehold.host_names (
    name       text constraint host_names_key primary key,
    tenant_id  uuid not null references freehold.tenants,
    is_primary boolean not null
);

create unique index host_names_primary_key on freehold.host_names (tenant_id) where is_primary;
create index host_names_by_tenant on freehold.host_names (tenant_id);

create table freehold.tenant_secrets (
    tenant_id   uuid not null references freehold.tenants,
    purpose     text not null,
    key_version integer not null,
    nonce       bytea not null,
    sealed      bytea not null,
    updated_at  timestamptz not null default now(),
    primary key (tenant_id, purpose)
);

create table freehold.operations (
    id           uuid primary key,
    -- Null once the tenant is gone; the slug still says who it was.
    tenant_id    uuid references freehold.tenants on delete set null,
    slug         text not null,
    kind         text not null check (kind in ('create', 'update', 'sleep', 'wake', 'suspend', 'resume', 'delete',
                                               'restore', 'erase', 'repair')),
    state        text not null check (state in ('pending', 'running', 'succeeded', 'stuck', 'cancelled')),
    generation   bigint not null,
    requested_by text not null,
    reason       text,
    -- What was desired before, so that a change that has not begun can be withdrawn.
    previous     jsonb,
    last_event   bigint not null default 0,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    check ((state in ('succeeded', 'cancelled')) = (finished_at is not null))
);

create index operations_by_tenant on freehold.operations (tenant_id, created_at desc);
create index operations_by_age on freehold.operations (created_at desc, id desc);
create index operations_open on freehold.operations (tenant_id) where state in ('pending', 'running', 'stuck');

create table freehold.operation_events (
    operation_id uuid not null references freehold.operations on delete cascade,
    -- Without gaps and in the order of commits, so that a reader can go on where it stopped.
    number       bigint not null,
    at           timestamptz not null default clock_timestamp(),
    step         text not null,
    state        text not null check (state in ('started', 'done', 'failed', 'note')),
    message      text not null,
    primary key (operation_id, number)
);

create table freehold.idempotency_keys (
    caller       text not null,
    key          text not null,
    request_hash text not null,
    status       integer,
    response     jsonb,
    created_at   timestamptz not null default now(),
    primary key (caller, key)
);

create index idempotency_keys_by_age on freehold.idempotency_keys (created_at);

create table freehold.admins (
    id            uuid primary key,
    email         text not null check (email = lower(email)) constraint admins_email_key unique,
    password_hash text not null,
    created_at    timestamptz not null default now(),
    disabled_at   timestamptz
);

-- Subnets that must not be given out: not yet confirmed to be free of routes, or taken by something foreign.
create table freehold.retired_subnets (
    subnet cidr primary key,
    house  text not null,
    reason text not null check (reason in ('left', 'taken')),
    since  timestamptz not null default now()
);
