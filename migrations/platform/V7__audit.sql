-- What was done, by whom, to what, from where, and how it ended. Written in the transaction of the change itself.

create table freehold.audit (
    id         uuid primary key,
    at         timestamptz not null,
    -- No reference: the entry outlives its tenant and its people.
    tenant_id  uuid,
    actor_kind text not null check (actor_kind in ('user', 'admin', 'system', 'nobody')),
    actor_id   uuid,
    actor      text not null,
    action     text not null,
    target     text not null,
    outcome    text not null check (outcome in ('done', 'refused')),
    address    text not null,
    user_agent text not null,
    request_id text not null,
    -- Kept to the letter, because the seal is over its letters.
    diff       json,
    -- Over all of the above, with a key that is not in the database: nobody else can write or change an entry.
    seal       bytea not null,
    -- The entry's place in the chain, given after the commit so that no writer waits for another; each link is over
    -- the one before, so that none can be taken out.
    position   bigint constraint audit_position_key unique,
    link       bytea,
    check ((position is null) = (link is null))
);

create index audit_by_age on freehold.audit (at desc, id desc);
create index audit_by_tenant on freehold.audit (tenant_id, at desc, id desc);
create index audit_unlinked on freehold.audit (id) where position is null;
