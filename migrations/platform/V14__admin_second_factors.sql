-- Platform admins' second factors, as users have them. They are nobody's but the platform's.
create table freehold.admin_second_factors (
    admin_id     uuid primary key references freehold.admins on delete cascade,
    key_version  integer not null,
    nonce        bytea not null,
    sealed       bytea not null,
    confirmed_at timestamptz,
    last_step    bigint not null default 0,
    created_at   timestamptz not null default now()
);

create table freehold.admin_recovery_codes (
    admin_id uuid not null references freehold.admins on delete cascade,
    hash     bytea not null,
    used_at  timestamptz,
    primary key (admin_id, hash)
);

alter table freehold.admin_second_factors enable row level security;
alter table freehold.admin_recovery_codes enable row level security;
create policy of_platform on freehold.admin_second_factors to freehold_platform using (true);
create policy of_platform on freehold.admin_recovery_codes to freehold_platform using (true);
grant select, insert, update, delete on freehold.admin_second_factors, freehold.admin_recovery_codes
    to freehold_platform;
