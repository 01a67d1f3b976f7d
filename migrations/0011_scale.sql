-- +goose Up

-- What the log is filtered by stands beside all that did not succeed, so that the deliveries are read only of those that a filter
-- lets through. Of due it is what an attempt leaves there: what was published is not written twice.
ALTER TABLE dead_letters
    ADD COLUMN event          text,
    ADD COLUMN application_id uuid,
    ADD COLUMN attempts       integer,
    ADD COLUMN duration_ms    integer;
ALTER TABLE cancelled_deliveries
    ADD COLUMN event          text,
    ADD COLUMN application_id uuid,
    ADD COLUMN attempts       integer,
    ADD COLUMN status_code    integer,
    ADD COLUMN error_class    text,
    ADD COLUMN duration_ms    integer;
ALTER TABLE due
    ADD COLUMN status_code integer,
    ADD COLUMN error_class text;

UPDATE dead_letters l SET event = d.event, application_id = d.application_id, attempts = d.attempts, duration_ms = d.duration_ms
  FROM deliveries d WHERE d.id = l.delivery_id;
UPDATE cancelled_deliveries c SET event = d.event, application_id = d.application_id, attempts = d.attempts, status_code = d.status_code,
       error_class = d.error_class, duration_ms = d.duration_ms
  FROM deliveries d WHERE d.id = c.delivery_id;
UPDATE due q SET status_code = d.status_code, error_class = d.error_class
  FROM deliveries d WHERE d.id = q.delivery_id AND (d.status_code IS NOT NULL OR d.error_class IS NOT NULL);

-- What webhook_responses counts, summed by quarter of an hour like webhook_quarters: an endpoint that answers 202 has a row there
-- for every minute.
CREATE TABLE webhook_response_quarters (
    webhook_id uuid NOT NULL,
    quarter    timestamptz NOT NULL,
    answer     text NOT NULL,
    attempts   integer NOT NULL,
    PRIMARY KEY (webhook_id, quarter, answer)
);
-- For the maintenance, which deletes what is old.
CREATE INDEX webhook_response_quarters_quarter_idx ON webhook_response_quarters USING brin (quarter) WITH (pages_per_range = 16);

INSERT INTO webhook_response_quarters (webhook_id, quarter, answer, attempts)
SELECT webhook_id, date_bin('15 minutes', minute, '2000-01-01 00:00:00+00'), answer, sum(attempts)
  FROM webhook_responses WHERE minute < (SELECT rolled_until FROM webhook_rollup) GROUP BY 1, 2, 3;
