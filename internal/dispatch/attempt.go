package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"posthorn/internal/posthorn"
)

// task is an attempt that begins: the job, and what the owner knew of the endpoint then. Only the owner looks into the lane.
type task struct {
	lane     *lane
	endpoint *posthorn.Endpoint
	round    int
	job      posthorn.Job
}

// completion tells the owner of the end of an attempt.
type completion struct {
	lane     *lane
	round    int
	job      posthorn.Job
	decision posthorn.Decision
	took     time.Duration
	// interrupted means that Posthorn ended the attempt itself: there is no result. unsent means that there was nothing to send.
	interrupted, unsent bool
}

// perform makes an attempt and passes on what came of it, first to the finishers, then to the owner.
func (d *Dispatcher) perform(ctx context.Context, t task) {
	began := time.Now()
	c := completion{lane: t.lane, round: t.round, job: t.job}
	result := d.try(ctx, t, &c)
	c.took = time.Since(began)
	// Nobody needs the event any more. It would take memory for as long as the result cannot be written.
	c.job.Data, result.Job.Data = nil, nil
	d.count(&c)
	d.log(ctx, &result)
	c.decision = result.Decision
	if !c.interrupted {
		d.results <- &result
	}
	d.done <- c
}

// try makes one request of a job, has it sent, and decides what follows. If any of that panics, it is as if nothing had come
// back: one delivery that nobody can make sense of must not end the process, and with it everybody else's.
func (d *Dispatcher) try(ctx context.Context, t task, c *completion) (r posthorn.Result) {
	began := time.Now()
	defer func() {
		if fault := recover(); fault != nil {
			d.logPanic(ctx, &t.job, fault)
			r = d.faulty(ctx, t, c, began)
		}
	}()
	e := t.endpoint
	request, err := e.Compose(&t.job, began)
	if err != nil {
		d.opts.Logger.ErrorContext(ctx, "no request could be made", slog.String("delivery_id", t.job.DeliveryID.String()),
			slog.String("webhook_id", t.job.WebhookID.String()), slog.Any("error", err))
		c.unsent = true
		return posthorn.UnsentResult(e, t.job, began)
	}
	outcome := d.opts.Sender.Send(ctx, request)
	c.interrupted = outcome.Interrupted
	return decided(t, outcome)
}

// decided is the result of an attempt with what follows from it.
func decided(t task, o posthorn.Outcome) posthorn.Result {
	e := t.endpoint
	return posthorn.NewResult(e, t.job, o, e.RetryPolicy(&t.job).Decide(t.job.Schedule, o, rand.Float64()))
}

// faulty is the result of an attempt in which Posthorn itself failed. It is decided on as ever; if that is what fails, the
// delivery has come to its end, and is in the dead letter list.
func (d *Dispatcher) faulty(ctx context.Context, t task, c *completion, began time.Time) (r posthorn.Result) {
	c.interrupted = false
	outcome := posthorn.Outcome{
		StartedAt: began, ErrorClass: posthorn.ErrorProtocol, Error: "Posthorn failed while it made this attempt.",
		Timings: posthorn.Timings{Total: time.Since(began)},
	}
	defer func() {
		if fault := recover(); fault != nil {
			d.logPanic(ctx, &t.job, fault)
			c.unsent = true
			r = posthorn.Result{
				Job: t.job, Attempt: posthorn.NewAttemptID(), Outcome: outcome,
				Decision: posthorn.Decision{State: posthorn.DeliveryFailed, Reason: "Failed: Posthorn itself failed at this delivery"},
			}
		}
	}()
	return decided(t, outcome)
}

func (d *Dispatcher) logPanic(ctx context.Context, j *posthorn.Job, fault any) {
	d.opts.Logger.ErrorContext(ctx, "the attempt panicked", slog.String("delivery_id", j.DeliveryID.String()),
		slog.String("webhook_id", j.WebhookID.String()), slog.String("panic", fmt.Sprint(fault)),
		slog.String("stack", string(debug.Stack())))
}

// count adds the attempt to the counters.
func (d *Dispatcher) count(c *completion) {
	if c.interrupted {
		d.stats.interrupted.Add(1)
		return
	}
	d.stats.attempts.Add(1)
}

// log writes the line of an attempt.
func (d *Dispatcher) log(ctx context.Context, r *posthorn.Result) {
	level := slog.LevelInfo
	if r.Decision.State == posthorn.DeliverySucceeded {
		level = slog.LevelDebug
	}
	if !d.opts.Logger.Enabled(ctx, level) {
		return
	}
	d.opts.Logger.LogAttrs(ctx, level, "attempt made",
		slog.String("delivery_id", r.Job.DeliveryID.String()),
		slog.String("webhook_id", r.Job.WebhookID.String()),
		slog.String("event_id", r.Job.EventID.String()),
		slog.String("tenant_id", r.Job.TenantID.String()),
		slog.Int("attempt", r.Job.Attempt),
		slog.Int("status", r.Outcome.StatusCode),
		slog.String("error_class", string(r.Outcome.ErrorClass)),
		slog.Duration("took", r.Outcome.Total),
		slog.String("decision", string(r.Decision.State)),
		slog.String("reason", r.Decision.Reason))
}
