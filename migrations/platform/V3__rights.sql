-- Each role may do what its part needs and owns nothing.

revoke all on schema public from public;
revoke execute on all functions in schema freehold from public;
grant usage on schema freehold to freehold_api, freehold_gateway, freehold_worker;

-- The gateway faces the world: it looks at doors and wakes who sleeps.
grant select on freehold.doors to freehold_gateway;
grant execute on function freehold.wake(uuid) to freehold_gateway, freehold_api;

-- The api writes desired state. It reads no tenant's secrets and records nothing that is observed.
grant execute on function freehold.status_of(text, boolean, boolean, boolean) to freehold_api, freehold_worker;
grant execute on function freehold.snapshot(freehold.tenants), freehold.tell_doors(uuid),
    freehold.changed(uuid, uuid, text, text, jsonb) to freehold_api, freehold_worker;
grant select on freehold.releases, freehold.tenants, freehold.houses, freehold.volumes, freehold.host_names,
    freehold.operations, freehold.operation_events, freehold.retired_subnets, freehold.doors,
    freehold.schema_history to freehold_api;
grant insert on freehold.tenants, freehold.houses, freehold.host_names, freehold.operations to freehold_api;
grant update (name, plan, settings, desired_state, generation, release_id, deleted_at, purge_at, erase, updated_at)
    on freehold.tenants to freehold_api;
grant update (due_at, due_reason, stuck_reason, failed_generation, attempts) on freehold.houses to freehold_api;
grant update (drop_after) on freehold.volumes to freehold_api;
grant update (state, reason, finished_at) on freehold.operations to freehold_api;
grant select, insert, update, delete on freehold.idempotency_keys to freehold_api;
grant select, insert on freehold.admins to freehold_api;
grant update (password_hash, disabled_at) on freehold.admins to freehold_api;

-- The worker records what it did. What is desired it may only read, but for the end of a tenant.
grant select on freehold.releases, freehold.tenants, freehold.houses, freehold.volumes, freehold.host_names,
    freehold.operations, freehold.operation_events, freehold.tenant_secrets, freehold.retired_subnets,
    freehold.doors, freehold.schema_history to freehold_worker;
grant update (converged_generation, ever_ready), delete on freehold.tenants to freehold_worker;
grant update, delete on freehold.houses to freehold_worker;
grant insert, update, delete on freehold.volumes, freehold.tenant_secrets, freehold.retired_subnets
    to freehold_worker;
grant delete on freehold.host_names to freehold_worker;
grant insert on freehold.operations, freehold.operation_events to freehold_worker;
grant update (state, reason, started_at, finished_at, last_event, tenant_id) on freehold.operations
    to freehold_worker;
