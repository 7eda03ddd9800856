-- Who sees which rows. Each transaction of the api names a tenant, a person, or the platform. For the first two the
-- login role itself sees the rows of that tenant or person and no other, whatever a query forgets to ask; for the
-- last it becomes freehold_platform. Neither owns a table, and neither can bypass its policies.

create function freehold.tenant_in_scope()
returns uuid
language sql stable parallel safe
return nullif(pg_catalog.current_setting('freehold.tenant', true), '')::uuid;

create function freehold.person_in_scope()
returns uuid
language sql stable parallel safe
return nullif(pg_catalog.current_setting('freehold.person', true), '')::uuid;

-- Keys of the platform's own, such as admins' passwords, are nobody's but the platform's.
do $$
declare
    name text;
    tenant_tables constant text[] := array[
        'houses', 'volumes', 'host_names', 'operations', 'memberships', 'projects', 'project_members',
        'tenant_policies', 'invitations', 'signups', 'mails', 'audit'];
    person_tables constant text[] := array[
        'memberships', 'sessions', 'second_factors', 'recovery_codes', 'mailed_tokens', 'project_members', 'signups'];
    other_tables constant text[] := array[
        'tenants', 'users', 'operation_events', 'admins', 'sign_in_failures', 'tenant_secrets'];
begin
    foreach name in array tenant_tables loop
        execute format('create policy of_tenant on freehold.%I to freehold_api
                            using (tenant_id = (select freehold.tenant_in_scope()))', name);
    end loop;
    foreach name in array person_tables loop
        execute format('create policy of_person on freehold.%I to freehold_api
                            using (user_id = (select freehold.person_in_scope()))', name);
    end loop;
    for name in select distinct unnest(tenant_tables || person_tables || other_tables) loop
        execute format('alter table freehold.%I enable row level security', name);
        execute format('create policy of_platform on freehold.%I to freehold_platform, freehold_worker
                            using (true)', name);
    end loop;
end;
$$;

create policy of_tenant on freehold.tenants to freehold_api
    using (id = (select freehold.tenant_in_scope()));
create policy of_person on freehold.tenants for select to freehold_api
    using (exists (select from freehold.memberships m
                    where m.tenant_id = tenants.id and m.user_id = (select freehold.person_in_scope())));
create policy of_tenant on freehold.users for select to freehold_api
    using (exists (select from freehold.memberships m
                    where m.user_id = users.id and m.tenant_id = (select freehold.tenant_in_scope())));
-- Whoever asks to join is seen by those who decide.
create policy of_asked on freehold.users for select to freehold_api
    using (exists (select from freehold.signups s
                    where s.user_id = users.id and s.tenant_id = (select freehold.tenant_in_scope())));
create policy of_person on freehold.users to freehold_api
    using (id = (select freehold.person_in_scope()));
-- Operations are seen by their tenant's policy, and what happened in them with them.
create policy of_tenant on freehold.operation_events to freehold_api
    using (exists (select from freehold.operations o where o.id = operation_id));

-- What a person does beside any tenant is told and mailed, too.
create policy of_writer on freehold.audit for insert to freehold_api
    with check (tenant_id is null or (select freehold.person_in_scope()) is not null);
create policy of_writer on freehold.mails for insert to freehold_api
    with check (tenant_id is null or (select freehold.person_in_scope()) is not null);

-- What the api may do, with a tenant in its scope or with none.
grant select, insert, update, delete on freehold.users, freehold.second_factors, freehold.recovery_codes,
    freehold.memberships, freehold.projects, freehold.project_members, freehold.tenant_policies, freehold.sessions,
    freehold.mailed_tokens, freehold.sign_in_failures, freehold.invitations, freehold.signups to freehold_api;
grant select, insert on freehold.mails to freehold_api;
-- An entry of the audit log is written without its place, which the linker alone gives; a trigger sees to the rest.
grant select on freehold.audit to freehold_api;
grant insert (id, at, tenant_id, actor_kind, actor_id, actor, action, target, outcome, address, user_agent, request_id, diff,
              seal) on freehold.audit to freehold_api;
grant update (position, link) on freehold.audit to freehold_platform;
grant execute on function freehold.tenant_in_scope(), freehold.person_in_scope() to freehold_api;
-- Platform admins may have a mail tried again that was given up.
grant update (state, attempts, due_at, ended_at) on freehold.mails to freehold_platform;
grant select on freehold.mails to freehold_worker;
grant update (state, attempts, due_at, last_error, ended_at, letter, subject, body_text, body_html) on freehold.mails
    to freehold_worker;
grant select on freehold.memberships, freehold.users to freehold_worker;
grant insert (id, at, tenant_id, actor_kind, actor_id, actor, action, target, outcome, address, user_agent, request_id, diff,
              seal) on freehold.audit to freehold_worker;

-- Whoever remembers who is signed in and what they may do is told when that changes. What only goes on, such as a
-- refresh, is not announced: commits that announce wait for one another.
create function freehold.tell_of_person()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    concerned jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
    perform pg_notify('people', 'user ' || coalesce(concerned ->> 'user_id', concerned ->> 'id'));
    return null;
end;
$$;

create function freehold.tell_of_belonging()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    concerned jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
    perform pg_notify('people', 'tenant ' || coalesce(concerned ->> 'tenant_id', concerned ->> 'id'));
    return null;
end;
$$;

create trigger tell_of_person after update on freehold.sessions for each row
    when (old.revoked_at is distinct from new.revoked_at or old.second_factor <> new.second_factor)
    execute function freehold.tell_of_person();
create trigger tell_of_person after update on freehold.users for each row
    when (old.suspended_at is distinct from new.suspended_at or old.email <> new.email or old.name <> new.name)
    execute function freehold.tell_of_person();
create trigger tell_of_person after insert or update or delete on freehold.memberships for each row
    execute function freehold.tell_of_person();
create trigger tell_of_person after delete on freehold.second_factors for each row
    execute function freehold.tell_of_person();
create trigger tell_of_confirmation after update on freehold.second_factors for each row
    when (old.confirmed_at is distinct from new.confirmed_at) execute function freehold.tell_of_person();
create trigger tell_of_belonging after insert or update or delete on freehold.tenant_policies for each row
    execute function freehold.tell_of_belonging();
create trigger tell_of_belonging after update on freehold.tenants for each row
    when (old.slug <> new.slug or (old.desired_state = 'deleted') <> (new.desired_state = 'deleted'))
    execute function freehold.tell_of_belonging();

-- Called at the end of every migration that grants the api something.
create function freehold.platform_may_what_the_api_may()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    statement text;
begin
    for statement in
        select format('grant %s on %s to freehold_platform', a.privilege_type, c.oid::regclass)
          from pg_class c, aclexplode(c.relacl) a
         where c.relnamespace = 'freehold'::regnamespace and a.grantee = 'freehold_api'::regrole
        union all
        select format('grant %s (%I) on %s to freehold_platform', a.privilege_type, t.attname, c.oid::regclass)
          from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
         where c.relnamespace = 'freehold'::regnamespace and a.grantee = 'freehold_api'::regrole
        union all
        select format('grant execute on function %s to freehold_platform', p.oid::regprocedure)
          from pg_proc p, aclexplode(p.proacl) a
         where p.pronamespace = 'freehold'::regnamespace and a.grantee = 'freehold_api'::regrole
    loop
        execute statement;
    end loop;
end;
$$;

revoke execute on function freehold.platform_may_what_the_api_may() from public;
grant usage on schema freehold to freehold_platform;
select freehold.platform_may_what_the_api_may();
