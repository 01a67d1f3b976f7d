-- +goose Up

-- What the log is filtered by stands beside what did not succeed, so that it is found without reading the deliveries.
ALTER TABLE cancelled_deliveries ADD COLUMN webhook_id uuid;
UPDATE cancelled_deliveries c SET webhook_id = d.webhook_id FROM deliveries d WHERE d.id = c.delivery_id;
DELETE FROM cancelled_deliveries WHERE webhook_id IS NULL;
ALTER TABLE cancelled_deliveries ALTER COLUMN webhook_id SET NOT NULL;
CREATE INDEX cancelled_deliveries_webhook_idx ON cancelled_deliveries (webhook_id, delivery_id);

-- Of the latest attempt.
ALTER TABLE dead_letters
    ADD COLUMN status_code integer,
    ADD COLUMN error_class text;
UPDATE dead_letters l SET status_code = d.status_code, error_class = d.error_class FROM deliveries d WHERE d.id = l.delivery_id;
CREATE INDEX dead_letters_status_idx ON dead_letters (tenant_id, status_code, delivery_id) WHERE status_code IS NOT NULL;
CREATE INDEX dead_letters_error_idx ON dead_letters (tenant_id, error_class, delivery_id) WHERE error_class IS NOT NULL;
-- By webhook and reason.
CREATE INDEX dead_letters_reason_idx ON dead_letters (webhook_id, status_code, error_class, delivery_id);

-- Few of the deliveries and events are tests, and they are listed by themselves.
CREATE INDEX deliveries_webhook_test_idx ON deliveries (webhook_id, id) WHERE test;
CREATE INDEX events_test_idx ON events (tenant_id, id) WHERE test;

-- What a record of activity caused.
CREATE INDEX events_activity_idx ON events (activity_id, id) WHERE activity_id IS NOT NULL;
