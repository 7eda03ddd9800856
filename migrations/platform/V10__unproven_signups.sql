-- What somebody asked for who has no account yet: to join a tenant, or to open one. It becomes a signup when the address
-- that it was asked with is proven. Nobody but the platform sees it before: a name that anybody may write down is not
-- put before a tenant's admins.
create table freehold.unproven_signups (
    user_id     uuid primary key references freehold.users on delete cascade,
    -- Of the tenant to join; none where one is to be opened.
    tenant_id   uuid references freehold.tenants on delete cascade,
    -- As they are told by what the mail says.
    tenant_name text not null,
    slug        text not null,
    plan        text,
    message     text not null default '',
    created_at  timestamptz not null default now(),
    check ((tenant_id is null) = (plan is not null))
);

alter table freehold.unproven_signups enable row level security;
create policy of_platform on freehold.unproven_signups to freehold_platform using (true);
grant select, insert, update, delete on freehold.unproven_signups to freehold_platform;
-- How long somebody waits who was declined is asked by person and tenant.
create index signups_by_person on freehold.signups (user_id, created_at desc, id desc);
