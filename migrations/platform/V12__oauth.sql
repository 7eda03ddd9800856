-- Tenants' apps sign their people in by OpenID Connect: each tenant is one client, and each sign-in one grant.

-- What the api knows of a tenant's app. The worker makes the secret and writes it here as a hash.
create table freehold.oauth_clients (
    tenant_id       uuid primary key references freehold.tenants on delete cascade,
    secret_hash     bytea not null check (octet_length(secret_hash) = 32),
    -- Where people are sent back to, on any host name of the tenant's.
    callback_path   text not null check (callback_path like '/%'),
    signed_out_path text not null check (signed_out_path like '/%'),
    updated_at      timestamptz not null default now()
);

-- What one sign-in at a tenant's app gave, for as long as the session lasts that it was made in.
create table freehold.oauth_grants (
    id              uuid primary key,
    tenant_id       uuid not null references freehold.tenants on delete cascade,
    session_id      uuid not null references freehold.sessions on delete cascade,
    user_id         uuid not null references freehold.users on delete cascade,
    scope           text not null,
    nonce           text,
    redirect_uri    text not null,
    -- The code is good once. It stays here when it was used, so that a second use is known for what it is.
    code_hash       bytea not null constraint oauth_grants_code_key unique,
    code_challenge  text not null,
    code_expires_at timestamptz not null,
    redeemed_at     timestamptz,
    refresh_hash    bytea,
    -- When the person showed who they are.
    auth_time       timestamptz not null,
    created_at      timestamptz not null default now(),
    revoked_at      timestamptz,
    revoked_because text,
    check (refresh_hash is null or redeemed_at is not null),
    check ((revoked_at is null) = (revoked_because is null))
);

create index oauth_grants_by_session on freehold.oauth_grants (session_id);
create index oauth_grants_by_user on freehold.oauth_grants (user_id);
create index oauth_grants_by_tenant on freehold.oauth_grants (tenant_id);
create index oauth_grants_by_age on freehold.oauth_grants (created_at);

alter table freehold.oauth_clients enable row level security;
alter table freehold.oauth_grants enable row level security;
create policy of_tenant on freehold.oauth_clients to freehold_api
    using (tenant_id = (select freehold.tenant_in_scope()));
create policy of_tenant on freehold.oauth_grants to freehold_api
    using (tenant_id = (select freehold.tenant_in_scope()));
create policy of_person on freehold.oauth_grants for select to freehold_api
    using (user_id = (select freehold.person_in_scope()));
create policy of_platform on freehold.oauth_clients to freehold_platform, freehold_worker using (true);
create policy of_platform on freehold.oauth_grants to freehold_platform using (true);

grant select on freehold.oauth_clients to freehold_api;
grant select, insert, update on freehold.oauth_clients to freehold_worker;
grant select, insert, delete on freehold.oauth_grants to freehold_api;
-- Whom a grant is about, and what it is for, never changes.
grant update (redeemed_at, refresh_hash, revoked_at, revoked_because) on freehold.oauth_grants to freehold_api;

select freehold.platform_may_what_the_api_may();
