-- +goose Up

-- What webhook_minutes counts, summed by quarter of an hour for charts over days: the zones of the world differ by quarters of
-- an hour. The maintenance sums up what is past, and a zero webhook_id stands for all webhooks of the tenant together.
CREATE TABLE webhook_quarters (
    tenant_id  uuid NOT NULL,
    webhook_id uuid NOT NULL,
    quarter    timestamptz NOT NULL,
    succeeded  integer NOT NULL,
    failed     integer NOT NULL,
    dead       integer NOT NULL,
    latency    integer[] NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id, quarter)
);
-- For the maintenance, which deletes what is old.
CREATE INDEX webhook_quarters_quarter_idx ON webhook_quarters USING brin (quarter) WITH (pages_per_range = 16);

-- Until when the minutes are summed up. The only row.
CREATE TABLE webhook_rollup (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    rolled_until timestamptz NOT NULL
);
INSERT INTO webhook_rollup (rolled_until) VALUES ('-infinity');

-- How many attempts got which answer: a status, or the class of the error. The status 200 is not counted here, so that an
-- endpoint that does well costs nothing: it is what is left of the successes of webhook_minutes.
CREATE TABLE webhook_responses (
    webhook_id uuid NOT NULL,
    minute     timestamptz NOT NULL,
    shard      smallint NOT NULL,
    answer     text NOT NULL,
    attempts   integer NOT NULL,
    PRIMARY KEY (webhook_id, minute, shard, answer)
) WITH (fillfactor = 70);
CREATE INDEX webhook_responses_minute_idx ON webhook_responses USING brin (minute) WITH (pages_per_range = 16);
