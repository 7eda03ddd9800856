-- Who is signed in to this app, and what the platform said of them last. The browser holds the number
-- that `id_hash` is the SHA-256 of. `tokens` is sealed with the app's own key, which no backup holds: a
-- copy of this table signs nobody in.
CREATE TABLE app.sessions (
    id_hash        bytea PRIMARY KEY,
    subject        text NOT NULL,
    -- The platform's session that this one stands on (`sid`).
    sid            text NOT NULL,
    name           text NOT NULL,
    email          text NOT NULL,
    role           text NOT NULL,
    permissions    text[] NOT NULL,
    projects       jsonb NOT NULL,
    tokens         bytea NOT NULL,
    -- Until then this is believed although the platform is away.
    believed_until timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    used_at        timestamptz NOT NULL DEFAULT now(),
    ends_at        timestamptz NOT NULL,
    CONSTRAINT sessions_hash_fits CHECK (octet_length(id_hash) = 32)
);
