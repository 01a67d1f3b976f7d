-- +goose Up

-- One row per check. Partitioned by id: ids are UUIDv7, so a stretch of time is a range of ids. Posthorn itself makes
-- the partitions ahead and, where a retention is set, drops them behind.
CREATE TABLE user_activity_history (
    id               uuid NOT NULL,
    tenant_id        uuid NOT NULL,
    activity_type    text NOT NULL,
    user_id          text NOT NULL,
    request_id       uuid NOT NULL,
    response_id      text,
    status_code      smallint NOT NULL,
    blockchain       text,
    transaction_hash text,
    address          text,
    entity_id        text,
    entity_name      text,
    risk_level       text,
    risk_score       double precision,
    -- json, not jsonb: a payload is kept byte for byte as it was posted.
    request_payload  json,
    response_payload json,
    response_summary json,
    error_message    text,
    metadata         jsonb,
    client_app_id    text,
    client_app_name  text,
    created_at       timestamptz NOT NULL,
    -- What the free-text search looks at: hash, address, entity id, request id, and the words of the entity's name.
    search           tsvector NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX user_activity_history_tenant_idx ON user_activity_history (tenant_id, id);
CREATE INDEX user_activity_history_user_idx ON user_activity_history (tenant_id, user_id, id);
CREATE INDEX user_activity_history_type_idx ON user_activity_history (tenant_id, activity_type, id);
CREATE INDEX user_activity_history_risk_idx ON user_activity_history (tenant_id, risk_level, id);
CREATE INDEX user_activity_history_chain_idx ON user_activity_history (tenant_id, blockchain, id);
CREATE INDEX user_activity_history_app_idx ON user_activity_history (tenant_id, client_app_id, id);
CREATE INDEX user_activity_history_error_idx ON user_activity_history (tenant_id, id) WHERE status_code >= 400;
CREATE INDEX user_activity_history_search_idx ON user_activity_history USING gin (search);
CREATE INDEX user_activity_history_metadata_idx ON user_activity_history USING gin (metadata jsonb_path_ops);

-- Counts for the overview, so that no page counts rows. Summed over shards when read.
CREATE TABLE activity_minutes (
    tenant_id uuid NOT NULL,
    minute    timestamptz NOT NULL,
    shard     smallint NOT NULL,
    low       integer NOT NULL,
    medium    integer NOT NULL,
    high      integer NOT NULL,
    critical  integer NOT NULL,
    unrated   integer NOT NULL,
    errors    integer NOT NULL,
    PRIMARY KEY (tenant_id, minute, shard)
) WITH (fillfactor = 50);
