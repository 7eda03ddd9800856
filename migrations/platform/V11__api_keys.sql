-- Keys by which programs use the API: a user's own, and those of tenants. Each acts for whoever made it, within its
-- scopes and within what its maker may at that moment.

create table freehold.api_keys (
    id              uuid primary key,
    -- The public part, which people and scanners recognise it by.
    prefix          text not null constraint api_keys_prefix_key unique,
    kind            text not null check (kind in ('user', 'tenant')),
    -- Where it acts; none: wherever its maker belongs.
    tenant_id       uuid references freehold.tenants on delete cascade,
    -- Who made it.
    user_id         uuid not null references freehold.users on delete cascade,
    name            text not null check (name <> ''),
    scopes          text[] not null check (cardinality(scopes) > 0),
    per_minute      integer not null check (per_minute > 0),
    -- Whether its maker gave a second factor in the session that it was made in.
    second_factor   boolean not null,
    -- Of a key that is sent; one that only signs is never sent, and must be had again to check by.
    hash            bytea,
    key_version     integer,
    nonce           bytea,
    sealed          bytea,
    last_used_at    timestamptz,
    last_address    text,
    created_at      timestamptz not null default now(),
    expires_at      timestamptz not null,
    -- The key that followed it.
    replaced_by     uuid references freehold.api_keys on delete set null,
    revoked_at      timestamptz,
    revoked_because text,
    check (kind = 'user' or tenant_id is not null),
    check ((revoked_at is null) = (revoked_because is null)),
    check ((hash is null) <> (sealed is null)),
    check ((sealed is null) = (key_version is null) and (sealed is null) = (nonce is null))
);

create index api_keys_by_user on freehold.api_keys (user_id, created_at desc, id desc);
create index api_keys_by_tenant on freehold.api_keys (tenant_id, created_at desc, id desc);
create index api_keys_by_successor on freehold.api_keys (replaced_by);
create index api_keys_by_end on freehold.api_keys (least(expires_at, revoked_at));

-- Nonces of signed requests, for as long as the same request would be taken again.
create table freehold.api_nonces (
    key_id     uuid not null references freehold.api_keys on delete cascade,
    nonce      text not null,
    expires_at timestamptz not null,
    primary key (key_id, nonce)
);

create index api_nonces_by_end on freehold.api_nonces (expires_at);

alter table freehold.api_keys enable row level security;
create policy of_tenant on freehold.api_keys to freehold_api
    using (tenant_id = (select freehold.tenant_in_scope()));
create policy of_person on freehold.api_keys to freehold_api
    using (user_id = (select freehold.person_in_scope()));
create policy of_platform on freehold.api_keys to freehold_platform, freehold_worker using (true);
alter table freehold.api_nonces enable row level security;
create policy of_platform on freehold.api_nonces to freehold_platform, freehold_worker using (true);

grant select, insert, update, delete on freehold.api_keys to freehold_api;
grant select, insert, delete on freehold.api_nonces to freehold_api;

-- What only goes on, such as the last use, is not announced.
create trigger tell_of_person after update on freehold.api_keys for each row
    when (old.revoked_at is distinct from new.revoked_at or old.expires_at <> new.expires_at
          or old.second_factor <> new.second_factor)
    execute function freehold.tell_of_person();

alter table freehold.audit drop constraint audit_actor_kind_check;
alter table freehold.audit add constraint audit_actor_kind_check
    check (actor_kind in ('user', 'admin', 'key', 'system', 'nobody'));

select freehold.platform_may_what_the_api_may();
