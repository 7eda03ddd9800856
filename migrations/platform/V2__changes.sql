-- What every change of desired state does besides writing it, in one place for all who may change it.

create function freehold.status_of(desired text, converged boolean, ever_ready boolean, stuck boolean)
returns text
language sql immutable parallel safe
return case
    when stuck then 'stuck'
    when desired = 'deleted' then 'deleted'
    when converged then desired
    when ever_ready then 'changing'
    else 'provisioning'
end;

create function freehold.snapshot(tenant freehold.tenants)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
return pg_catalog.jsonb_build_object(
    'name', tenant.name,
    'plan', tenant.plan,
    'settings', tenant.settings,
    'release', tenant.release_id,
    'desired_state', tenant.desired_state,
    'deleted_at', tenant.deleted_at,
    'purge_at', tenant.purge_at,
    'erase', tenant.erase
);

create function freehold.tell_doors(tenant uuid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('doors', n.name) from freehold.host_names n where n.tenant_id = tenant;
end;
$$;

-- Called after the tenant's row was locked and given its next generation.
create function freehold.changed(tenant uuid, operation uuid, kind text, requested_by text, previous jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    now_desired freehold.tenants;
    house_id text;
begin
    select t.* into strict now_desired from freehold.tenants t where t.id = tenant;

    update freehold.houses h
       set due_at = now(), due_reason = changed.kind, stuck_reason = null, failed_generation = null, attempts = 0
     where h.tenant_id = tenant
    returning h.id into house_id;

    -- Where the tenant is to be was decided anew, so nobody goes on with where it was to be before. What an
    -- update asked for still holds and is reached on the way.
    if previous is null or previous ->> 'desired_state' <> now_desired.desired_state then
        perform pg_notify('operation', o.id::text)
           from freehold.operations o
          where o.tenant_id = tenant and o.state in ('pending', 'running', 'stuck') and o.kind <> 'update';
        update freehold.operations o
           set state = 'cancelled', finished_at = now(), reason = 'replaced by a later change'
         where o.tenant_id = tenant and o.state in ('pending', 'running', 'stuck') and o.kind <> 'update';
    end if;
    update freehold.operations o
       set state = 'pending', reason = null
     where o.tenant_id = tenant and o.state = 'stuck';

    insert into freehold.operations (id, tenant_id, slug, kind, state, generation, requested_by, previous)
    values (operation, tenant, now_desired.slug, changed.kind, 'pending', now_desired.generation,
            changed.requested_by, changed.previous);

    perform pg_notify('operation', operation::text);
    perform pg_notify('house_due', house_id);
    perform freehold.tell_doors(tenant);
end;
$$;

-- The one thing the gateway may change: a sleeping tenant is to run, because a visitor came.
create function freehold.wake(tenant uuid)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    before freehold.tenants;
begin
    select t.* into before from freehold.tenants t where t.id = tenant for no key update of t;
    if before.id is null or before.desired_state <> 'asleep' then
        return false;
    end if;
    update freehold.tenants t
       set desired_state = 'running', generation = t.generation + 1, updated_at = now()
     where t.id = tenant;
    perform freehold.changed(tenant, gen_random_uuid(), 'wake', 'visitor', freehold.snapshot(before));
    return true;
end;
$$;

-- What stands behind a host name, for whoever answers there.
create view freehold.doors as
select n.name as host, n.is_primary, t.id as tenant_id, h.id as house, t.slug, t.name, t.plan, t.desired_state,
       t.generation, t.converged_generation = t.generation as converged, t.ever_ready,
       h.stuck_reason is not null as stuck, h.read_only, h.address
  from freehold.host_names n
  join freehold.tenants t on t.id = n.tenant_id
  join freehold.houses h on h.tenant_id = t.id;
