-- +goose Up

CREATE TABLE webhooks (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Null for the events of every application, and of none.
    application_id  uuid REFERENCES applications (id) ON DELETE CASCADE,
    name            text NOT NULL,
    description     text NOT NULL,
    url             text NOT NULL,
    -- What is subscribed to: exact types, "category.*" or "*".
    events          text[] NOT NULL,
    -- Custom headers in their order; header_values are sealed by internal/secretbox, one for each name.
    header_names    text[] NOT NULL,
    header_values   bytea[] NOT NULL,
    -- The signature scheme with its options, as in the API.
    signature       json NOT NULL,
    timeout_seconds integer NOT NULL,
    max_attempts    integer NOT NULL,
    retry_on        integer[] NOT NULL,
    -- Deliveries a second, null for no limit.
    rate_limit      integer,
    max_in_flight   integer NOT NULL,
    state           text NOT NULL CHECK (state IN ('active', 'inactive', 'disabled')),
    state_reason    text NOT NULL,
    state_since     timestamptz NOT NULL,
    state_by        text NOT NULL,
    -- Counts the changes of configuration, state and current secret, so that an edit of an old version is noticed.
    version         integer NOT NULL,
    created_at      timestamptz NOT NULL,
    created_by      text NOT NULL,
    updated_at      timestamptz NOT NULL,
    updated_by      text NOT NULL,
    CHECK (cardinality(header_names) = cardinality(header_values))
);
CREATE INDEX webhooks_tenant_idx ON webhooks (tenant_id, id);
CREATE INDEX webhooks_url_idx ON webhooks (tenant_id, md5(url));

-- What remains of a deleted webhook: what the log of its deliveries calls it.
CREATE TABLE deleted_webhooks (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name       text NOT NULL,
    url        text NOT NULL,
    deleted_at timestamptz NOT NULL,
    deleted_by text NOT NULL
);

-- The secrets that deliveries are signed with: a webhook's own, or the tenant's API secret where webhook_id is null. The
-- newest has no end; those it replaced sign on until expires_at.
CREATE TABLE signing_secrets (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    webhook_id  uuid REFERENCES webhooks (id) ON DELETE CASCADE,
    -- Sealed by internal/secretbox.
    secret      bytea NOT NULL,
    -- The end of the secret, by which a person recognises it.
    last_four   text NOT NULL,
    created_at  timestamptz NOT NULL,
    created_by  text NOT NULL,
    -- When it was shown to a person, null while nobody has seen it.
    revealed_at timestamptz,
    expires_at  timestamptz
);
CREATE UNIQUE INDEX signing_secrets_current_key ON signing_secrets (tenant_id, webhook_id) NULLS NOT DISTINCT WHERE expires_at IS NULL;
CREATE INDEX signing_secrets_webhook_idx ON signing_secrets (webhook_id, id);

INSERT INTO signing_secrets (id, tenant_id, webhook_id, secret, last_four, created_at, created_by, revealed_at, expires_at)
SELECT id, id, NULL, api_secret, '', created_at, '', api_secret_revealed_at, NULL FROM tenants;

ALTER TABLE tenants DROP COLUMN api_secret, DROP COLUMN api_secret_revealed_at;

-- The event types of a tenant: its own, and built-in ones whose enforcement it changed (their other columns are null).
CREATE TABLE event_types (
    tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    event       text NOT NULL,
    description text,
    -- JSON Schema and example of an event's data, as they were given.
    schema      json,
    example     json,
    enforcement text NOT NULL CHECK (enforcement IN ('off', 'warn', 'reject')),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event)
);
