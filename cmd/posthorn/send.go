package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"posthorn/internal/app"
	"posthorn/internal/posthorn"
)

// send publishes an event as a service does: its data comes from a file, from standard input, or is the example of its type.
func send(ctx context.Context, e env, args []string) error {
	f := e.flags("send")
	tenant := f.String("tenant", "", "id of the tenant (default the first)")
	id := f.String("id", "", "id under which a repeated event is the same one")
	application := f.String("application", "", "id or external id of the application that the event belongs to")
	if err := parseArguments(f, args, 1, 2); err != nil {
		return err
	}
	var data json.RawMessage
	if f.NArg() == 2 {
		raw, err := e.read(f.Arg(1))
		if err != nil {
			return err
		}
		if data = raw; !json.Valid(raw) {
			return fmt.Errorf("%s does not hold JSON", f.Arg(1))
		}
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	published, err := func() (posthorn.Published, error) {
		owner, err := tenantOf(ctx, b, *tenant)
		if err != nil {
			return posthorn.Published{}, err
		}
		return publish(ctx, b, owner, outgoing{Event: f.Arg(0), Data: data, ID: *id, ApplicationID: *application})
	}()
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	return json.NewEncoder(e.stdout).Encode(published)
}

// read returns what a file holds, or standard input for "-".
func (e env) read(name string) ([]byte, error) {
	in := e.stdin
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // G304: the file is the one that the operator names
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, posthorn.MaxBatchBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return raw, nil
}

// outgoing is an event to publish.
type outgoing struct {
	Event string `json:"event"`
	// Data stays as it is, byte for byte.
	Data          json.RawMessage `json:"-"`
	ID            string          `json:"id,omitempty"`
	ApplicationID string          `json:"applicationId,omitempty"`
}

// body is the event as the API takes it.
func (o outgoing) body() ([]byte, error) {
	rest, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write the event: %w", err)
	}
	return slices.Concat([]byte(`{"data":`), o.Data, []byte(","), rest[1:]), nil
}

// publish stores an event; without data it is the example of its type.
func publish(ctx context.Context, b *app.Backend, tenant posthorn.TenantID, o outgoing) (posthorn.Published, error) {
	if o.Data == nil {
		t, err := b.EventTypes.Get(ctx, tenant, o.Event)
		if err != nil {
			return posthorn.Published{}, fmt.Errorf("find an example of %s: %w", o.Event, err)
		}
		o.Data = t.Example
	}
	if !utf8.Valid(o.Data) || !json.Valid(o.Data) {
		return posthorn.Published{}, errors.New("the data is not valid JSON")
	}
	body, err := o.body()
	if err != nil {
		return posthorn.Published{}, err
	}
	recorder := b.NewEventRecorder()
	defer recorder.Close()
	published, _, err := b.NewPublisher(recorder).Publish(ctx, tenant, body)
	if err != nil {
		return posthorn.Published{}, err
	}
	return published[0], nil
}
