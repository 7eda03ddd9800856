-- Members of a tenant as they are listed. A policy is asked for every row of its own table, and whether a user belongs
-- to a tenant stands in another, so that reading members through the policies of both costs two to three times as much.
-- A view that holds the condition once costs next to nothing. It reads as the owner of the tables, whom no policy
-- holds; what it shows is bounded by its own condition, whatever is asked of it.
create view freehold.members as
select m.tenant_id, m.user_id, u.email, u.name, m.role, m.suspended_at, m.created_at,
       u.suspended_at as user_suspended_at
  from freehold.memberships m join freehold.users u on u.id = m.user_id
 where m.tenant_id = (select freehold.tenant_in_scope())
    or (select pg_has_role('freehold_platform', 'usage'));

grant select on freehold.members to freehold_api;

-- A letter that waits may hold a secret that is good once. Tenants and people have mails sent; only the platform reads
-- them.
revoke select on freehold.mails from freehold_api;
-- The same of where all tenants are found, which is another view that no policy bounds.
revoke select on freehold.doors from freehold_api;

select freehold.platform_may_what_the_api_may();
