-- +goose Up

-- When somebody last used Posthorn, to the minute. Sessions know it too, but they end.
ALTER TABLE users ADD COLUMN last_seen_at timestamptz;
UPDATE users u SET last_seen_at = (SELECT max(s.last_seen_at) FROM sessions s WHERE s.user_id = u.id);

-- Links by which people join an organisation. They stay in the list after their end. A link is good while who made it is an owner,
-- so that nobody keeps a way back. created_by_id is no reference: users are removed, the list stays.
CREATE TABLE member_invitations (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    email         text NOT NULL,
    role          text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    -- What the user gets as theirs, null for none.
    external_id   text,
    -- SHA-256 of the token in the link.
    token_hash    bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    created_by_id uuid NOT NULL,
    expires_at    timestamptz NOT NULL,
    accepted_at   timestamptz,
    -- The user who came of it, no reference either.
    accepted_by   uuid,
    revoked_at    timestamptz
);
CREATE UNIQUE INDEX member_invitations_token_hash_key ON member_invitations (token_hash);
CREATE INDEX member_invitations_tenant_idx ON member_invitations (tenant_id, id);

-- Links by which people who forgot their password set a new one: at most one a user, the newest.
CREATE TABLE password_resets (
    user_id       uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token in the link.
    token_hash    bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    created_by_id uuid NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE UNIQUE INDEX password_resets_token_hash_key ON password_resets (token_hash);

CREATE INDEX applications_tenant_idx ON applications (tenant_id, id);
CREATE INDEX webhooks_application_idx ON webhooks (application_id) WHERE application_id IS NOT NULL;

-- An application that a webhook is limited to cannot be deleted: the webhook would go with it.
ALTER TABLE webhooks DROP CONSTRAINT webhooks_application_id_fkey;
ALTER TABLE webhooks ADD CONSTRAINT webhooks_application_id_fkey FOREIGN KEY (application_id) REFERENCES applications (id);

-- The filters of the audit log, each newest first.
CREATE INDEX audit_log_actor_id_idx ON audit_log (tenant_id, actor_id, id);
CREATE INDEX audit_log_actor_idx ON audit_log (tenant_id, actor, id);
CREATE INDEX audit_log_action_idx ON audit_log (tenant_id, action, id);
CREATE INDEX audit_log_subject_idx ON audit_log (tenant_id, subject, id);
