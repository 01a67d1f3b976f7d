-- +goose Up

CREATE TABLE tenants (
    id                     uuid PRIMARY KEY,
    name                   text NOT NULL,
    -- The API secret, sealed by internal/secretbox. It is shown to a person once; api_secret_revealed_at says when.
    api_secret             bytea NOT NULL,
    api_secret_revealed_at timestamptz,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id                  uuid PRIMARY KEY,
    tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    email               text NOT NULL,
    name                text NOT NULL,
    role                text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    -- The user's id in the world of the workers (a Clerk id, say): their activity carries it as user_id.
    external_id         text,
    password_hash       text NOT NULL,
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    theme               text NOT NULL DEFAULT 'system' CHECK (theme IN ('system', 'light', 'dark')),
    time_zone           text NOT NULL DEFAULT 'UTC',
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE UNIQUE INDEX users_external_id_key ON users (tenant_id, external_id);

CREATE TABLE applications (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name        text NOT NULL,
    -- The application's id in the world of the workers: activity carries it as client_app_id.
    external_id text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX applications_external_id_key ON applications (tenant_id, external_id);

CREATE TABLE sessions (
    -- SHA-256 of the token in the cookie: who reads the table cannot sign in with it.
    token_hash   bytea PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    data         bytea NOT NULL,
    address      text NOT NULL,
    user_agent   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Failed sign-ins by account and by address, for the throttle. first_at and last_at are those of the failures counted.
CREATE TABLE sign_in_failures (
    key           text PRIMARY KEY,
    failures      integer NOT NULL,
    first_at      timestamptz NOT NULL DEFAULT now(),
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name         text NOT NULL,
    scopes       text[] NOT NULL,
    -- SHA-256 of the key; prefix and last_four are what a person recognises it by.
    hash         bytea NOT NULL,
    prefix       text NOT NULL,
    last_four    text NOT NULL,
    created_by   uuid REFERENCES users (id) ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE INDEX api_keys_tenant_id_idx ON api_keys (tenant_id, id);

CREATE TABLE idempotency_keys (
    scope      text NOT NULL,
    key        text NOT NULL,
    -- The first answer, in JSON.
    response   text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

-- Who did what. Rows are only ever added; secrets are redacted before they come here.
CREATE TABLE audit_log (
    id        uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- The user who acted, null for the command line and for Posthorn itself; actor keeps the name as it was.
    actor_id  uuid,
    actor     text NOT NULL,
    address   text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    before    json,
    after     json
);
CREATE INDEX audit_log_tenant_id_idx ON audit_log (tenant_id, id);
