-- People: who they are, what they belong to, and how they came in. A user is one identity in many tenants.

create table freehold.users (
    id                uuid primary key,
    -- As it is compared: trimmed and in lower case.
    email             text not null check (email = lower(email)) constraint users_email_key unique,
    name              text not null check (name <> ''),
    -- None until a password was set: invited people and those of outside providers.
    password_hash     text,
    -- When it was proven that the address is theirs.
    verified_at       timestamptz,
    suspended_at      timestamptz,
    terms_version     text,
    terms_accepted_at timestamptz,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    check ((terms_version is null) = (terms_accepted_at is null))
);

create index users_by_age on freehold.users (created_at desc, id desc);

-- The second factor. It counts once it was confirmed by a code.
create table freehold.second_factors (
    user_id      uuid primary key references freehold.users on delete cascade,
    key_version  integer not null,
    nonce        bytea not null,
    sealed       bytea not null,
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: none is taken twice.
    last_step    bigint not null default 0,
    created_at   timestamptz not null default now()
);

create table freehold.recovery_codes (
    user_id uuid not null references freehold.users on delete cascade,
    hash    bytea not null,
    used_at timestamptz,
    primary key (user_id, hash)
);

create table freehold.memberships (
    tenant_id    uuid not null constraint memberships_tenant_fkey references freehold.tenants on delete cascade,
    user_id      uuid not null constraint memberships_user_fkey references freehold.users on delete cascade,
    role         text not null check (role in ('owner', 'admin', 'developer', 'member', 'viewer')),
    suspended_at timestamptz,
    created_at   timestamptz not null default now(),
    constraint memberships_key primary key (tenant_id, user_id)
);

create index memberships_by_user on freehold.memberships (user_id);

create table freehold.projects (
    id         uuid primary key,
    tenant_id  uuid not null references freehold.tenants on delete cascade,
    slug       text not null,
    name       text not null check (name <> ''),
    created_at timestamptz not null default now(),
    constraint projects_slug_key unique (tenant_id, slug),
    unique (tenant_id, id)
);

-- A member of a project is a member of its tenant.
create table freehold.project_members (
    tenant_id  uuid not null,
    project_id uuid not null,
    user_id    uuid not null,
    role       text not null check (role in ('viewer', 'editor', 'maintainer')),
    created_at timestamptz not null default now(),
    constraint project_members_key primary key (project_id, user_id),
    foreign key (tenant_id, project_id) references freehold.projects (tenant_id, id) on delete cascade,
    constraint project_members_member_fkey
        foreign key (tenant_id, user_id) references freehold.memberships (tenant_id, user_id) on delete cascade
);

create index project_members_by_user on freehold.project_members (tenant_id, user_id);

-- What a tenant asks of those who sign in to it.
create table freehold.tenant_policies (
    tenant_id              uuid primary key references freehold.tenants on delete cascade,
    require_second_factor  boolean not null default false,
    signups                text not null default 'manual' check (signups in ('closed', 'manual', 'automatic')),
    updated_at             timestamptz not null default now()
);

-- Somebody who is signed in on one device. A refresh token is good once; what follows from it is derived, so that
-- whoever lost the answer gets the same again for a moment, and whoever comes later with an old one is a thief.
create table freehold.sessions (
    id               uuid primary key,
    user_id          uuid not null references freehold.users on delete cascade,
    device           text not null,
    address          text not null,
    remembered       boolean not null,
    second_factor    boolean not null,
    refresh_hash     bytea not null,
    previous_hash    bytea,
    refreshed_at     timestamptz not null default now(),
    last_used_at     timestamptz not null default now(),
    created_at       timestamptz not null default now(),
    expires_at       timestamptz not null,
    revoked_at       timestamptz,
    revoked_because  text,
    check ((revoked_at is null) = (revoked_because is null))
);

create index sessions_by_user on freehold.sessions (user_id, last_used_at desc) where revoked_at is null;
create index sessions_by_end on freehold.sessions (expires_at);

-- Secrets that were sent by mail and are good once.
create table freehold.mailed_tokens (
    hash       bytea primary key,
    user_id    uuid not null references freehold.users on delete cascade,
    purpose    text not null check (purpose in ('verify', 'reset')),
    -- The address it was sent to: it proves nothing of another one.
    email      text not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);

create index mailed_tokens_by_user on freehold.mailed_tokens (user_id, purpose);

-- Sign-ins that failed, by whom they were for and where they came from. Lost when the server crashes, which costs
-- whoever guesses more than it gives.
create unlogged table freehold.sign_in_failures (
    subject  text primary key,
    failures integer not null,
    last_at  timestamptz not null,
    until    timestamptz not null,
    -- When an account was last signed in to from an address: of such pairs alone.
    good_at  timestamptz
);

create index sign_in_failures_by_age on freehold.sign_in_failures (last_at);

create table freehold.invitations (
    id          uuid primary key,
    tenant_id   uuid not null references freehold.tenants on delete cascade,
    email       text not null check (email = lower(email)),
    role        text not null check (role in ('owner', 'admin', 'developer', 'member', 'viewer')),
    hash        bytea not null unique,
    invited_by  text not null,
    expires_at  timestamptz not null,
    sent_at     timestamptz not null default now(),
    accepted_at timestamptz,
    accepted_by uuid references freehold.users on delete set null,
    revoked_at  timestamptz,
    created_at  timestamptz not null default now()
);

create index invitations_by_tenant on freehold.invitations (tenant_id, created_at desc, id desc);
create unique index invitations_open_key on freehold.invitations (tenant_id, email)
    where accepted_at is null and revoked_at is null;

-- Somebody asks to join a tenant, or to open one.
create table freehold.signups (
    id            uuid primary key,
    -- Of the tenant to join; none while one is to be opened.
    tenant_id     uuid references freehold.tenants on delete cascade,
    user_id       uuid not null references freehold.users on delete cascade,
    kind          text not null check (kind in ('join', 'open')),
    -- What is to be opened.
    slug          text,
    tenant_name   text,
    plan          text,
    message       text not null default '',
    state         text not null check (state in ('pending', 'approved', 'rejected')),
    reason        text,
    decided_by    text,
    decided_at    timestamptz,
    created_at    timestamptz not null default now(),
    check ((state = 'pending') = (decided_at is null)),
    check (kind <> 'join' or tenant_id is not null),
    check (kind <> 'open' or (slug is not null and tenant_name is not null and plan is not null))
);

create index signups_by_tenant on freehold.signups (tenant_id, created_at desc, id desc);
create index signups_by_age on freehold.signups (created_at desc, id desc);
create unique index signups_join_key on freehold.signups (tenant_id, user_id) where state = 'pending' and kind = 'join';
create unique index signups_open_key on freehold.signups (slug) where state = 'pending' and kind = 'open';

-- Mail that is to be sent, written in the transaction of what caused it and rendered when it is sent.
create table freehold.mails (
    id         uuid primary key,
    tenant_id  uuid references freehold.tenants on delete set null,
    recipient  text not null,
    kind       text not null,
    -- What the letter says. Emptied once it was sent, or a while after it was given up, because it may hold a secret
    -- that is good once.
    letter     jsonb,
    -- As it was rendered; kept where an outbox shows it instead of a mail server getting it.
    subject    text,
    body_text  text,
    body_html  text,
    state      text not null default 'queued' check (state in ('queued', 'sent', 'dead')),
    attempts   integer not null default 0,
    due_at     timestamptz not null default now(),
    last_error text,
    ended_at   timestamptz,
    created_at timestamptz not null default now(),
    check ((state = 'queued') = (ended_at is null))
);

create index mails_due on freehold.mails (due_at) where state = 'queued';
create index mails_by_recipient on freehold.mails (recipient, created_at desc);
create index mails_by_age on freehold.mails (created_at desc, id desc);
