// Command posthorn is the whole product: the server and the commands around it. Each file holds one command, which parses
// its arguments, builds what it needs with package app, and runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // people choose time zones; the machine may not have them

	"posthorn/internal/app"
	"posthorn/internal/config"
)

// version is written by the build.
var version = "dev"

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// env is what a command gets from the outside.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// command is one subcommand.
type command struct {
	name, args, summary string
	run                 func(ctx context.Context, e env, args []string) error
}

func commands() []command {
	return []command{
		{"serve", "", "run the server: dashboard, API and dispatcher", serve},
		{"worker", "", "send deliveries beside other servers and workers, without a dashboard", worker},
		{"migrate", "", "bring the database schema up to date", migrate},
		{"bootstrap", "[--json] [--tenant NAME] [--email EMAIL]", "create the first tenant, its owner and an API key", bootstrap},
		{"tenant", "create|list|limits", "make and list organisations, limit the requests of their programs", tenant},
		{"user", "create|list|reset-password", "make and list people, reset a password", user},
		{"secrets", "rotate-key", "encrypt what is stored under the first key of POSTHORN_SECRET_KEY", secrets},
		{"listen", "[--addr ADDRESS] [--secret SECRET] [--status CODE] …", "receive webhooks on this machine, verify and print them", runListen},
		{"send", "[--tenant ID] [--id ID] EVENT [FILE|-]", "publish an event, with the example of its type where no data is given", send},
		{"replay", "DELIVERY… | --webhook WEBHOOK --failed [--since 24h]", "send deliveries again", replay},
		{"doctor", "", "say what is wrong and what to do about it", doctor},
		{"config", "", "print the configuration", printConfig},
		{"version", "", "print the version", printVersion},
	}
}

func main() {
	// SIGTERM and Ctrl-C ask to stop; a second one stops at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	code := run(ctx, env{os.Stdin, os.Stdout, os.Stderr, os.Environ()}, os.Args[1:])
	stop()
	os.Exit(code)
}

// errUsage reports wrong arguments, after the flag package said what is wrong with them.
var errUsage = errors.New("wrong usage")

// run finds the command and turns its error into an exit code.
func run(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(e.stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, e, args[1:])
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.Is(err, errUsage):
			return exitUsage
		}
		fmt.Fprintf(e.stderr, "posthorn %s: %v\n", c.name, err)
		return exitFailure
	}
	fmt.Fprintf(e.stderr, "posthorn: there is no command %q\n\n", args[0])
	usage(e.stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Posthorn takes in compliance activity, shows it, and delivers webhooks.\n\nUsage: posthorn COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nIt is configured by environment variables; `posthorn config` prints them all.\n")
}

// flags makes the flag set of a command, which prints its own errors.
func (e env) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("posthorn "+name, flag.ContinueOnError)
	f.SetOutput(e.stderr)
	return f
}

// parse reads the flags of a command that takes no other arguments.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if f.NArg() > 0 {
		fmt.Fprintf(f.Output(), "%s: unexpected argument %q\n", f.Name(), f.Arg(0))
		return errUsage
	}
	return nil
}

// load reads the configuration.
func (e env) load() (*config.Config, error) {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return nil, fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	return cfg, nil
}

// logger writes to standard error in the configured format, from a level on.
func (e env) logger(cfg *config.Config, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == config.LogJSON {
		return slog.New(slog.NewJSONHandler(e.stderr, options))
	}
	return slog.New(slog.NewTextHandler(e.stderr, options))
}

// backend opens the database for a command that changes accounts; it tells only what went wrong.
func (e env) backend(ctx context.Context) (*app.Backend, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	return app.OpenBackend(ctx, cfg, e.logger(cfg, slog.LevelWarn))
}
