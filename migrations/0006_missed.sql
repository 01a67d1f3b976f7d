-- +goose Up

-- When the webhook last stopped being active, and when it was active again, null until then: the events in between went to
-- the others.
ALTER TABLE webhooks
    ADD COLUMN stopped_at timestamptz,
    ADD COLUMN resumed_at timestamptz;

UPDATE webhooks SET stopped_at = state_since WHERE state <> 'active';

-- Deliveries that were stopped by a person or with their webhook. With dead_letters and due they are all that did not
-- succeed, so that the log finds those without reading the rest.
CREATE TABLE cancelled_deliveries (
    delivery_id uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL
);
CREATE INDEX cancelled_deliveries_tenant_idx ON cancelled_deliveries (tenant_id, delivery_id);

INSERT INTO cancelled_deliveries (delivery_id, tenant_id) SELECT id, tenant_id FROM deliveries WHERE state = 'cancelled';

-- What the log and the list of events are filtered by and never changes.
CREATE INDEX deliveries_event_idx ON deliveries (tenant_id, event, id);
CREATE INDEX deliveries_test_idx ON deliveries (tenant_id, id) WHERE test;
CREATE INDEX events_application_idx ON events (tenant_id, application_id, id) WHERE application_id IS NOT NULL;
