-- +goose Up

-- Resources that fire events. Their states and what may follow on which are declared in internal/posthorn.

CREATE TABLE invitations (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    status         text NOT NULL,
    customer_email text NOT NULL,
    workflow_id    text NOT NULL,
    workflow_name  text,
    sent_at        timestamptz NOT NULL,
    -- Until when it can be answered, null for no end.
    expires_at     timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE INDEX invitations_tenant_idx ON invitations (tenant_id, id);
CREATE INDEX invitations_status_idx ON invitations (tenant_id, status, id);
CREATE INDEX invitations_email_idx ON invitations (tenant_id, lower(customer_email) text_pattern_ops, id);
CREATE INDEX invitations_workflow_idx ON invitations (tenant_id, workflow_id, id);
-- What expires next, whatever the tenant.
CREATE INDEX invitations_expiry_idx ON invitations (expires_at) WHERE status = 'sent' AND expires_at IS NOT NULL;

CREATE TABLE submissions (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    status         text NOT NULL,
    customer_email text NOT NULL,
    workflow_id    text NOT NULL,
    workflow_name  text,
    -- The invitation that it answers, null when there was none.
    invitation_id  uuid REFERENCES invitations (id),
    -- json, not jsonb: the answers are kept byte for byte.
    responses      json,
    -- When the customer finished, null before that.
    submitted_at   timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE INDEX submissions_tenant_idx ON submissions (tenant_id, id);
CREATE INDEX submissions_status_idx ON submissions (tenant_id, status, id);
CREATE INDEX submissions_email_idx ON submissions (tenant_id, lower(customer_email) text_pattern_ops, id);
CREATE INDEX submissions_workflow_idx ON submissions (tenant_id, workflow_id, id);
CREATE INDEX submissions_invitation_idx ON submissions (invitation_id, id) WHERE invitation_id IS NOT NULL;

CREATE TABLE aml_screenings (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    submission_id uuid NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    status        text NOT NULL,
    risk_level    text,
    -- The matches as posthorn.AMLMatch in JSON, in their order.
    matches       json NOT NULL,
    screened_at   timestamptz NOT NULL
);
CREATE INDEX aml_screenings_submission_idx ON aml_screenings (submission_id, id);

CREATE TABLE verifications (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    status          text NOT NULL,
    user_reference  text NOT NULL,
    -- As with events, the application may be gone.
    application_id  uuid,
    checks          json NOT NULL,
    decision_reason text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX verifications_tenant_idx ON verifications (tenant_id, id);
CREATE INDEX verifications_status_idx ON verifications (tenant_id, status, id);
CREATE INDEX verifications_user_idx ON verifications (tenant_id, lower(user_reference) text_pattern_ops, id);
CREATE INDEX verifications_application_idx ON verifications (tenant_id, application_id, id);

CREATE TABLE integrations (
    id                   uuid PRIMARY KEY,
    tenant_id            uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    status               text NOT NULL,
    uid                  text NOT NULL,
    provider             text NOT NULL,
    provider_public_name text NOT NULL,
    public_address       text,
    wallet_id            text NOT NULL,
    logo_url             text,
    is_contract          boolean NOT NULL,
    alias                text,
    added_on             timestamptz NOT NULL,
    last_synced_at       timestamptz,
    category             text NOT NULL,
    type                 text NOT NULL,
    total_transactions   bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL
);
CREATE INDEX integrations_tenant_idx ON integrations (tenant_id, id);
CREATE INDEX integrations_status_idx ON integrations (tenant_id, status, id);
CREATE INDEX integrations_uid_idx ON integrations (tenant_id, lower(uid) text_pattern_ops, id);
CREATE INDEX integrations_provider_idx ON integrations (tenant_id, provider, id);
CREATE INDEX integrations_category_idx ON integrations (tenant_id, category, id);
CREATE UNIQUE INDEX integrations_wallet_id_key ON integrations (tenant_id, wallet_id);

-- What became of a resource, and which events told of it. The events may be past their retention.
CREATE TABLE resource_changes (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    resource_id uuid NOT NULL,
    -- The status before, null when it was created, and after.
    from_status text,
    to_status   text NOT NULL,
    -- Which other fields changed.
    fields      text[] NOT NULL,
    actor       text NOT NULL,
    event       text,
    event_id    uuid
);
CREATE INDEX resource_changes_resource_idx ON resource_changes (resource_id, id);
