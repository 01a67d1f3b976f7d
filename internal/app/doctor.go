package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/postgres"
	"posthorn/internal/posthorn"
)

// Finding is what the examination found about one subject.
type Finding struct {
	Subject string
	// Fine says what was found, where all is well; Problem what is wrong; Remedy what to do about it.
	Fine, Problem, Remedy string
}

// State returns the sentence about the subject.
func (f Finding) State() string { return cmp.Or(f.Problem, f.Fine) }

// Examine looks at the configuration, the database, its schema, its partitions, its tenants, its secrets and what
// is due, in this order, and stops where the next look would need what is missing. It changes nothing.
func Examine(ctx context.Context, environ []string) []Finding {
	cfg, err := config.Load(environ)
	if err != nil {
		return []Finding{{Subject: "configuration", Problem: err.Error(), Remedy: "Set the variables; `posthorn config` explains them."}}
	}
	findings := []Finding{{Subject: "configuration", Fine: "valid, for " + string(cfg.Env)}}
	for _, w := range cfg.Warnings() {
		findings = append(findings, Finding{Subject: "configuration", Fine: w})
	}
	b, err := connect(ctx, cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return append(findings, Finding{Subject: "database", Problem: err.Error(), Remedy: "Start the database, or check DATABASE_URL."})
	}
	findings = append(findings, b.examineDatabase(ctx)...)
	if err := b.Close(ctx); err != nil {
		findings = append(findings, Finding{Subject: "database", Problem: err.Error(), Remedy: "See its log in the data folder."})
	}
	return findings
}

func (b *Backend) examineDatabase(ctx context.Context) []Finding {
	findings := []Finding{{Subject: "database", Fine: "the one of DATABASE_URL answers"}}
	if b.Private != nil {
		findings[0].Fine = "the private PostgreSQL answers, from " + b.Private.Binaries().Dir
	}
	schema, current := b.examineSchema(ctx)
	findings = append(findings, schema)
	if !current {
		return findings
	}
	return append(findings, examinePartitions(ctx, b.DB), b.examineTenants(ctx), b.examineSealed(ctx), examineDue(ctx, b.DB))
}

func (b *Backend) examineSchema(ctx context.Context) (f Finding, current bool) {
	f.Subject = "schema"
	have, want, err := b.DB.SchemaVersion(ctx)
	switch {
	case err != nil:
		f.Problem, f.Remedy = err.Error(), "Check that the user of DATABASE_URL may read the database."
	case have < want:
		f.Problem = fmt.Sprintf("version %d, this binary needs %d", have, want)
		f.Remedy = "Run `posthorn migrate`, or start the server, which does the same."
	case have > want:
		f.Problem = fmt.Sprintf("version %d is newer than the %d of this binary", have, want)
		f.Remedy = "Run the binary that migrated it, or a newer one."
	default:
		f.Fine = fmt.Sprintf("version %d", have)
	}
	return f, f.Problem == ""
}

func examinePartitions(ctx context.Context, db *postgres.DB) Finding {
	f := Finding{Subject: "partitions"}
	now := time.Now()
	horizon, err := db.PartitionHorizon(ctx, now)
	if err != nil {
		f.Problem, f.Remedy = err.Error(), "Check that the user of DATABASE_URL may read the database."
		return f
	}
	for table, until := range horizon {
		if f.Fine != "" {
			f.Fine += ", "
		}
		f.Fine += fmt.Sprintf("%s until %s", table, until.UTC().Format(time.DateOnly))
		if until.Before(now.Add(readyHorizon)) {
			f.Problem = table + " has none for the coming hour: nothing can be stored"
			f.Remedy = "Start the server, which makes them; if it does not, its log says why."
		}
	}
	return f
}

func (b *Backend) examineTenants(ctx context.Context) Finding {
	f := Finding{Subject: "tenants"}
	tenants, err := b.Accounts.ListTenants(ctx)
	switch {
	case err != nil:
		f.Problem, f.Remedy = err.Error(), "Check that the user of DATABASE_URL may read the database."
	case len(tenants) == 0:
		f.Problem = "there is none: nobody can sign in, and posted activity has nowhere to go"
		f.Remedy = "Open " + b.Config.BaseURL + "/setup, or run `posthorn bootstrap`."
	default:
		f.Fine = fmt.Sprintf("%d, the first is %s", len(tenants), tenants[0].ID)
	}
	if unknown := b.unknownIngestTenants(tenants); f.Problem == "" && unknown != nil {
		f.Problem = unknown.Error()
		f.Remedy = "Bind the secret to one of `posthorn tenant list`."
	}
	return f
}

// unknownIngestTenants reports secrets that are bound to a tenant that is not there.
func (b *Backend) unknownIngestTenants(tenants []posthorn.Tenant) error {
	known := map[string]bool{"": true}
	for _, t := range tenants {
		known[t.ID.String()] = true
	}
	var errs []error
	for _, s := range b.Config.IngestSecrets {
		if !known[s.Tenant] {
			errs = append(errs, fmt.Errorf("ACTIVITY_WEBHOOK_SECRET is bound to %s, which does not exist", s.Tenant))
		}
	}
	return errors.Join(errs...)
}

// examineSealed opens everything that is stored encrypted.
func (b *Backend) examineSealed(ctx context.Context) Finding {
	f := Finding{Subject: "stored secrets"}
	report, err := b.DB.ExamineSealed(ctx, b.Box)
	switch {
	case err != nil:
		f.Problem, f.Remedy = err.Error(), "Check that the user of DATABASE_URL may read the database."
	case len(report.Unreadable) > 0:
		f.Problem = fmt.Sprintf("%d open with no key of POSTHORN_SECRET_KEY, the first is %s", len(report.Unreadable), report.Unreadable[0])
		f.Remedy = "Add the key that they were encrypted with to POSTHORN_SECRET_KEY, or rotate these secrets."
	case report.Stale > 0:
		f.Fine = fmt.Sprintf("%d of %d are not under the first key of POSTHORN_SECRET_KEY", report.Stale, report.Stale+report.Current)
		f.Remedy = "Run `posthorn secrets rotate-key` before you remove the other keys."
	default:
		f.Fine = fmt.Sprintf("%d, all under the first key of POSTHORN_SECRET_KEY", report.Current)
	}
	return f
}

// examineDue looks whether what is due is being sent.
func examineDue(ctx context.Context, db *postgres.DB) Finding {
	f := Finding{Subject: "deliveries"}
	health, err := db.DueHealth(ctx)
	switch {
	case err != nil:
		f.Problem, f.Remedy = err.Error(), "Check that the user of DATABASE_URL may read the database."
	case health.Still > 0:
		f.Problem = fmt.Sprintf("one has been due for %s, and nothing was sent to any webhook lately; %s has waited longest",
			health.Still.Round(time.Second), health.Webhook)
		f.Remedy = "Start `posthorn serve` or `posthorn worker`; if one runs, its log says why it does not send."
	case health.Stuck > 0:
		f.Problem = fmt.Sprintf("nothing is sent to %s; that with the longest wait, of %s, is %s",
			webhooks(health.Stuck), health.StuckFor.Round(time.Second), health.Webhook)
		f.Remedy = "The log of `posthorn serve` says why. Where a secret cannot be opened, rotate it, or add its key to POSTHORN_SECRET_KEY."
	default:
		f.Fine = fmt.Sprintf("%d due, the oldest for %s", health.Due, health.Oldest.Round(time.Second))
	}
	return f
}
