-- +goose Up

-- Many deliveries that are sent again, worked off in batches by one process at a time.
CREATE TABLE replays (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('filter', 'missed')),
    -- The only webhook that it is about, null for all. It may be gone.
    webhook_id   uuid,
    -- What selects the deliveries of kind filter, as posthorn.DeliveryFilter in JSON.
    filter       json NOT NULL,
    -- The last delivery that was looked at, or of kind missed the last event, and where those end.
    cursor       uuid NOT NULL,
    until        uuid NOT NULL,
    -- Deliveries a second.
    rate         integer NOT NULL,
    -- How many there are to look at, and whether they were counted only so far.
    total        integer NOT NULL,
    total_more   boolean NOT NULL,
    done         integer NOT NULL DEFAULT 0,
    skipped      integer NOT NULL DEFAULT 0,
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'cancelled', 'finished', 'failed')),
    reason       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    created_by   text NOT NULL,
    finished_at  timestamptz,
    finished_by  text NOT NULL DEFAULT '',
    -- Which process works it off, and until when that is assumed to live.
    leased_by    uuid,
    leased_until timestamptz
);
CREATE INDEX replays_tenant_idx ON replays (tenant_id, id);
CREATE INDEX replays_webhook_idx ON replays (webhook_id, id) WHERE kind = 'missed';
CREATE INDEX replays_running_idx ON replays (id) WHERE state = 'running';

-- What failed for good by webhook and reason, the newest of each last.
CREATE INDEX dead_letters_attention_idx
    ON dead_letters (tenant_id, webhook_id, (coalesce(status_code, 0)), (coalesce(error_class, '')), failed_at);
