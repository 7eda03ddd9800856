-- Workers as they report themselves: who faces people has no other way to know whether the engine is there.

create table freehold.workers (
    -- The key under which the worker's presence is locked.
    key            bigint primary key,
    host           text not null,
    started_at     timestamptz not null default now(),
    seen_at        timestamptz not null default now(),
    engine_ok      boolean not null,
    -- What the engine said when it was not well; empty when it is.
    engine_message text not null
);

grant select on freehold.workers to freehold_api;
grant select, insert, update, delete on freehold.workers to freehold_worker;
