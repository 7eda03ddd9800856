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

-- An entry gets its place once, and nothing else about it ever changes; none is removed. Whoever owns the table could
-- take this away, which is what the seals and links are for.
create function freehold.audit_is_never_changed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' and old.position is null and new.position is not null
       and (new.id, new.at, new.tenant_id, new.actor_kind, new.actor_id, new.actor, new.action, new.target, new.outcome,
            new.address, new.user_agent, new.request_id, new.diff::text, new.seal)
           is not distinct from
           (old.id, old.at, old.tenant_id, old.actor_kind, old.actor_id, old.actor, old.action, old.target, old.outcome,
            old.address, old.user_agent, old.request_id, old.diff::text, old.seal)
    then
        return new;
    end if;
    raise exception 'the audit log is never changed' using errcode = 'insufficient_privilege';
end;
$$;

revoke execute on function freehold.audit_is_never_changed() from public;

create trigger audit_never_changed before update or delete on freehold.audit
    for each row execute function freehold.audit_is_never_changed();
create trigger audit_never_emptied before truncate on freehold.audit
    for each statement execute function freehold.audit_is_never_changed();
