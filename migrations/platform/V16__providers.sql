-- OpenID providers outside, and whom they know: the platform's, which anybody may sign in by, and tenants' own.

create table freehold.providers (
    id              uuid primary key,
    -- None: the platform's.
    tenant_id       uuid references freehold.tenants on delete cascade,
    name            text not null,
    title           text not null check (title <> ''),
    -- To the letter as the provider says it of itself.
    issuer          text not null check (issuer ~ '^https?://'),
    client_id       text not null check (client_id <> ''),
    -- The client's secret; none for a public client.
    key_version     integer,
    nonce           bytea,
    sealed          bytea,
    scopes          text not null default 'openid email profile' check (scopes <> ''),
    -- Which of its claims mean what.
    claims          jsonb not null,
    -- For whom its tokens must be that are sent to the API; none are taken without.
    bearer_audience text,
    -- Whether an address counts as proven that it does not say so of.
    trust_email     boolean not null default false check (not trust_email or tenant_id is null),
    enabled         boolean not null default true,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    constraint providers_name_key unique nulls not distinct (tenant_id, name),
    -- An ID token would be taken for one that opens the API.
    check (bearer_audience <> client_id),
    check (bearer_audience <> ''),
    -- What a tenant names cannot be what another tenant, or the platform, would name.
    check (tenant_id is null or bearer_audience like '%' || tenant_id::text),
    check (tenant_id is null or issuer like 'https://%'),
    check ((sealed is null) = (key_version is null) and (sealed is null) = (nonce is null))
);

-- Whose token it is must never be in doubt.
create unique index providers_bearer_key on freehold.providers (issuer, bearer_audience)
    where enabled and bearer_audience is not null;

-- Whom a provider means by a subject.
create table freehold.identities (
    provider_id  uuid not null references freehold.providers on delete cascade,
    subject      text not null check (subject <> ''),
    user_id      uuid not null references freehold.users on delete cascade,
    -- As the provider told it last.
    email        text,
    linked_at    timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    constraint identities_subject_key primary key (provider_id, subject),
    constraint identities_user_key unique (provider_id, user_id)
);

create index identities_by_user on freehold.identities (user_id);

-- By which provider a session came, and the one tenant that it is good in. A session never outlives what it came by:
-- without it, it would be one that came by password and is good everywhere.
alter table freehold.sessions
    add column provider_id uuid references freehold.providers on delete cascade,
    add column only_tenant uuid references freehold.tenants on delete cascade,
    add check (only_tenant is null or provider_id is not null);
create index sessions_by_provider on freehold.sessions (provider_id) where provider_id is not null;
create index sessions_by_only_tenant on freehold.sessions (only_tenant) where only_tenant is not null;

-- By which provider people must come; it stays as long as it is required.
alter table freehold.tenant_policies
    add column required_provider uuid constraint tenant_policies_provider_fkey references freehold.providers;
create index tenant_policies_by_provider on freehold.tenant_policies (required_provider)
    where required_provider is not null;

alter table freehold.providers enable row level security;
alter table freehold.identities enable row level security;
create policy of_tenant on freehold.providers to freehold_api
    using (tenant_id = (select freehold.tenant_in_scope()));
create policy of_platform on freehold.providers to freehold_platform, freehold_worker using (true);
create policy of_tenant on freehold.identities to freehold_api
    using (exists (select from freehold.providers p
                    where p.id = provider_id and p.tenant_id = (select freehold.tenant_in_scope())));
create policy of_person on freehold.identities to freehold_api
    using (user_id = (select freehold.person_in_scope()));
create policy of_platform on freehold.identities to freehold_platform, freehold_worker using (true);
-- What came by a tenant's provider is the tenant's to end.
create policy of_tenant on freehold.sessions to freehold_api
    using (only_tenant = (select freehold.tenant_in_scope()));

grant select, insert, update, delete on freehold.providers, freehold.identities to freehold_api;

select freehold.platform_may_what_the_api_may();
