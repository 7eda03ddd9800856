-- The keys that sign tokens. How one stands follows from its times alone. What it signs with is sealed by a key that the
-- database does not have, and is taken out of the row once it signs no more; the row stays.
create table freehold.signing_keys (
    kid             text primary key,
    algorithm       text not null check (algorithm in ('EdDSA', 'RS256')),
    public          text not null,
    -- by the same key: whoever can write here cannot put in a key of their own
    seal            bytea not null,
    key_version     integer,
    nonce           bytea,
    sealed          bytea,
    created_at      timestamptz not null,
    signs_from      timestamptz not null,
    -- when another took its place; none while none has begun to
    signs_until     timestamptz check (signs_until >= signs_from),
    -- when the last token that it signed has ended
    published_until timestamptz,
    withdrawn_at    timestamptz,
    withdrawn_by    text,
    check ((signs_until is null) = (published_until is null)),
    check (published_until >= signs_until),
    check ((withdrawn_at is null) = (withdrawn_by is null)),
    -- what was withdrawn signs nothing, whoever asks
    check (withdrawn_at is null or sealed is null),
    check ((key_version is null) = (sealed is null) and (nonce is null) = (sealed is null))
);

create function freehold.tell_of_signing_keys()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('signing_keys', '');
    return null;
end;
$$;

create trigger tell_of_signing_keys after insert or update or delete on freehold.signing_keys for each statement
    execute function freehold.tell_of_signing_keys();

alter table freehold.signing_keys enable row level security;
create policy of_platform on freehold.signing_keys to freehold_platform using (true);
grant select, insert, update on freehold.signing_keys to freehold_platform;
