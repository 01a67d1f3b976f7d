-- +goose Up

-- Every dispatcher that lives, which tells so every few seconds: they share the limits of webhooks. Nothing is lost when the
-- table is emptied by a crash of the server, so it costs no write-ahead log.
CREATE UNLOGGED TABLE dispatchers (
    id         uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
) WITH (fillfactor = 50);
