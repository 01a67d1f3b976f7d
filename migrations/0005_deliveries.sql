-- +goose Up

-- What a test is, what of the data did not fit the schema of its type, and the record of activity that caused the event.
ALTER TABLE events
    ADD COLUMN test        boolean NOT NULL DEFAULT false,
    ADD COLUMN misfits     json,
    ADD COLUMN activity_id uuid;

-- The ids that producers gave their events, so that a repeated publish answers the first result.
CREATE TABLE event_keys (
    tenant_id  uuid NOT NULL,
    key        text NOT NULL,
    event_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX event_keys_expires_at_idx ON event_keys (expires_at);

-- revision counts every change that sending has to know of: configuration, state, secrets.
ALTER TABLE webhooks
    ADD COLUMN revision       bigint NOT NULL DEFAULT 1,
    ADD COLUMN payload_scheme text NOT NULL GENERATED ALWAYS AS (signature ->> 'scheme') STORED;

-- The id of the delivery of an event to a webhook: the first half of the event's id, then a hash of both. Package posthorn
-- computes the same in DeliveryIDOf. One expression, so that it is inlined.
CREATE FUNCTION delivery_id(e uuid, w uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (left(e::text, 19) || '8' || right(encode(sha256(uuid_send(e) || uuid_send(w)), 'hex'), 15))::uuid;

-- One event for one webhook, partitioned by id a day each like the events. What changes is updated in place, so no index
-- mentions it. The deliveries of an event are a range of ids.
CREATE TABLE deliveries (
    id             uuid NOT NULL,
    tenant_id      uuid NOT NULL,
    webhook_id     uuid NOT NULL,
    event_id       uuid NOT NULL,
    event          text NOT NULL,
    application_id uuid,
    -- The scheme whose shape the body has, the same on every attempt.
    payload_scheme text NOT NULL,
    test           boolean NOT NULL,
    created_at     timestamptz NOT NULL,
    url            text NOT NULL,
    state          text NOT NULL,
    reason         text NOT NULL,
    attempts       integer NOT NULL,
    -- Of the latest attempt.
    status_code    integer,
    error_class    text,
    duration_ms    integer,
    finished_at    timestamptz,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX deliveries_tenant_idx ON deliveries (tenant_id, id);
CREATE INDEX deliveries_webhook_idx ON deliveries (webhook_id, id);

-- What waits to be sent. A row under a lease has a token, and next_attempt_at is the end of the lease.
CREATE TABLE due (
    delivery_id     uuid PRIMARY KEY,
    webhook_id      uuid NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    lease_token     bigint NOT NULL,
    -- Attempts made so far, and the place in the retry schedule, which a replay begins anew.
    attempts        integer NOT NULL,
    schedule        integer NOT NULL,
    test            boolean NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX due_webhook_idx ON due (webhook_id, next_attempt_at);
CREATE INDEX due_next_attempt_idx ON due (next_attempt_at);
-- Tests are sent whatever the state of their webhook.
CREATE INDEX due_test_idx ON due (next_attempt_at) WHERE test;

-- Deliveries that failed for good and can be replayed.
CREATE TABLE dead_letters (
    delivery_id uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    webhook_id  uuid NOT NULL,
    failed_at   timestamptz NOT NULL
);
CREATE INDEX dead_letters_tenant_idx ON dead_letters (tenant_id, delivery_id);
CREATE INDEX dead_letters_webhook_idx ON dead_letters (webhook_id, delivery_id);

-- The evidence of every HTTP request, partitioned by id like the deliveries. Rows never change.
CREATE TABLE attempts (
    id                 uuid NOT NULL,
    delivery_id        uuid NOT NULL,
    tenant_id          uuid NOT NULL,
    webhook_id         uuid NOT NULL,
    number             integer NOT NULL,
    started_at         timestamptz NOT NULL,
    url                text NOT NULL,
    status_code        integer,
    error_class        text,
    error              text,
    remote_address     text,
    http_version       text,
    -- Lists of names and values; the values of custom headers are masked.
    request_headers    json,
    response_headers   json,
    response_body      bytea,
    response_truncated boolean NOT NULL,
    -- Milliseconds; null for a phase that was not reached.
    duration_ms        real NOT NULL,
    dns_ms             real,
    connect_ms         real,
    tls_ms             real,
    first_byte_ms      real,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX attempts_delivery_idx ON attempts (delivery_id, id);
CREATE INDEX attempts_tenant_idx ON attempts (tenant_id, id);

-- Counts of attempts for charts and health, so that no page counts rows. Summed over shards when read. latency counts
-- durations by posthorn.LatencyBuckets.
CREATE TABLE webhook_minutes (
    webhook_id uuid NOT NULL,
    minute     timestamptz NOT NULL,
    shard      smallint NOT NULL,
    tenant_id  uuid NOT NULL,
    succeeded  integer NOT NULL,
    -- Attempts that did not succeed, and among them those after which the delivery is failed.
    failed     integer NOT NULL,
    dead       integer NOT NULL,
    latency    integer[] NOT NULL,
    PRIMARY KEY (webhook_id, minute, shard)
) WITH (fillfactor = 50);
CREATE INDEX webhook_minutes_tenant_idx ON webhook_minutes (tenant_id, minute);

-- How the endpoint of a webhook does. A row is written when that changes, not for every attempt.
CREATE TABLE webhook_health (
    webhook_id      uuid PRIMARY KEY REFERENCES webhooks (id) ON DELETE CASCADE,
    -- Since when every attempt has failed, null when the latest succeeded.
    failing_since   timestamptz,
    throttled_until timestamptz
);
