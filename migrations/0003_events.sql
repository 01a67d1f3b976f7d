-- +goose Up

-- Everything that happened, partitioned by id a day each, dropped after the retention. Rows never change.
CREATE TABLE events (
    id             uuid NOT NULL,
    tenant_id      uuid NOT NULL,
    application_id uuid,
    event          text NOT NULL,
    -- json, not jsonb: what was published reaches receivers byte for byte.
    payload        json NOT NULL,
    occurred_at    timestamptz NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX events_tenant_idx ON events (tenant_id, id);
CREATE INDEX events_type_idx ON events (tenant_id, event, id);
