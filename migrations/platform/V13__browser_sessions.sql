-- A session that a browser holds by a cookie: what is kept of the secret in it. Nobody has a refresh secret for such a
-- session, and a session of tokens has no cookie.
alter table freehold.sessions add column browser_hash bytea;
