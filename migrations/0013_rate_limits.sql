-- +goose Up

-- What a tenant's limits are where they are not those of the installation. Rates are in requests a minute.
CREATE TABLE tenant_limits (
    tenant_id     uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    api_rate      integer CHECK (api_rate BETWEEN 1 AND 1000000),
    api_burst     integer CHECK (api_burst BETWEEN 1 AND 1000000),
    publish_rate  integer CHECK (publish_rate BETWEEN 1 AND 1000000),
    publish_burst integer CHECK (publish_burst BETWEEN 1 AND 1000000),
    updated_at    timestamptz NOT NULL,
    CHECK (publish_burst IS NULL OR publish_rate IS NOT NULL)
);

-- The token buckets, one for each tenant and kind of request that was ever made. What processes hold of a bucket, to spend
-- without asking again, is not among its tokens: leases map the process to how many, and until when that is believed.
CREATE TABLE rate_limits (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind      text NOT NULL CHECK (kind IN ('api', 'publish')),
    -- As of filled_at; Infinity is full, however large the bucket is.
    tokens    double precision NOT NULL,
    filled_at timestamptz NOT NULL,
    leases    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, kind)
) WITH (fillfactor = 50);
