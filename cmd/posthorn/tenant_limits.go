package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"posthorn/internal/app"
	"posthorn/internal/posthorn"
)

// byDefault is what takes a setting away.
const byDefault = "default"

// limitFlag is one of the settings, in the order in which they are shown.
type limitFlag struct {
	name, usage string
	of          func(*posthorn.LimitSettings) **int
}

var limitFlags = []limitFlag{
	{"api-rate", "requests a minute", func(s *posthorn.LimitSettings) **int { return &s.APIRate }},
	{"api-burst", "requests at once", func(s *posthorn.LimitSettings) **int { return &s.APIBurst }},
	{"publish-rate", "publishing requests a minute", func(s *posthorn.LimitSettings) **int { return &s.PublishRate }},
	{"publish-burst", "publishing requests at once", func(s *posthorn.LimitSettings) **int { return &s.PublishBurst }},
}

// tenantLimits shows how many requests the programs of a tenant may make, after it has set those that flags name.
func tenantLimits(ctx context.Context, e env, args []string) error {
	f := e.flags("tenant limits")
	tenant := f.String("tenant", "", "id of the tenant (default the first)")
	changes := map[string]limitFlag{}
	values := map[string]*int{}
	for _, l := range limitFlags {
		f.Func(l.name, l.usage+", or "+byDefault, func(text string) (err error) {
			changes[l.name] = l
			values[l.name], err = limitValue(text)
			return err
		})
	}
	if err := parse(f, args); err != nil {
		return err
	}
	b, err := e.backend(ctx)
	if err != nil {
		return err
	}
	limits, err := changeLimits(ctx, b, *tenant, func(s *posthorn.LimitSettings) {
		for name, l := range changes {
			*l.of(s) = values[name]
		}
	}, len(changes) > 0)
	if err = errors.Join(err, b.Close(ctx)); err != nil {
		return err
	}
	return printLimits(e.stdout, limits)
}

// changeLimits returns the limits of a tenant, changed where they are to be.
func changeLimits(
	ctx context.Context, b *app.Backend, tenant string, change func(*posthorn.LimitSettings), changes bool,
) (posthorn.TenantLimits, error) {
	id, err := tenantOf(ctx, b, tenant)
	if err != nil {
		return posthorn.TenantLimits{}, err
	}
	limits, err := b.Limits.Get(ctx, id)
	if err != nil || !changes {
		return limits, err
	}
	change(&limits.Set)
	return b.Limits.Set(ctx, posthorn.CommandLine(), id, limits.Set)
}

// limitValue reads a setting, nil for the default. Which numbers may be set is not decided here.
func limitValue(text string) (*int, error) {
	if text == byDefault {
		return nil, nil //nolint:nilnil // nil is the default
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("it is neither a whole number nor %s", byDefault)
	}
	return &n, nil
}

func printLimits(out io.Writer, limits posthorn.TenantLimits) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, kind := range []struct {
		name        string
		limit       posthorn.RateLimit
		rate, burst *int
	}{
		{"API", limits.API, limits.Set.APIRate, limits.Set.APIBurst},
		{"Publishing", limits.Publish, limits.Set.PublishRate, limits.Set.PublishBurst},
	} {
		if kind.limit.Off() {
			fmt.Fprintf(w, "%s\tno limit\n", kind.name)
			continue
		}
		fmt.Fprintf(w, "%s\t%d requests a minute%s\t%d at once%s\n", kind.name, kind.limit.PerMinute, origin(kind.rate), kind.limit.Burst, origin(kind.burst))
	}
	return w.Flush()
}

// origin tells a default from what was set.
func origin(set *int) string {
	if set == nil {
		return " (default)"
	}
	return ""
}
