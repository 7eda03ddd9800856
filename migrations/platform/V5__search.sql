-- What a search looks through stands in one column: among many tenants an index finds the few that match, and where
-- many match, a list in its own order has soon found a page of them. Over three columns of two tables neither is so.

create extension if not exists pg_trgm with schema freehold;

-- Without a default, which a table whose rows a function takes may not be given later.
alter table freehold.tenants add column searched text;

create function freehold.searched(tenant uuid, slug text, name text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
return pg_catalog.concat_ws(
    pg_catalog.chr(10), slug, name,
    (select pg_catalog.string_agg(n.name, pg_catalog.chr(10)) from freehold.host_names n where n.tenant_id = tenant)
);

-- Whatever is written into the column, it holds what it must.
create function freehold.tenant_is_searched()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    new.searched := freehold.searched(new.id, new.slug, new.name);
    return new;
end;
$$;

create trigger tenants_searched before insert or update of slug, name, searched on freehold.tenants
    for each row execute function freehold.tenant_is_searched();

create function freehold.host_name_is_searched()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update freehold.tenants t set searched = '' where t.id in (old.tenant_id, new.tenant_id);
    return null;
end;
$$;

create trigger host_names_searched after insert or delete or update on freehold.host_names
    for each row execute function freehold.host_name_is_searched();

revoke execute on function freehold.searched(uuid, text, text), freehold.tenant_is_searched(),
    freehold.host_name_is_searched() from public;

update freehold.tenants set searched = '';
alter table freehold.tenants alter column searched set not null;

-- Tenants are searched more often than made, so each is put into the index at once and not kept in a list before it.
create index tenants_by_searched on freehold.tenants using gin (searched freehold.gin_trgm_ops)
    with (fastupdate = off);
