// Package rig runs the real binary on a PostgreSQL of its own, for the programs that measure Posthorn and those that torment
// it. It is no part of the product.
package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"posthorn/internal/pgserver"
	"posthorn/internal/posthorn"
)

const (
	// patience bounds the start and the stop of a process.
	patience = time.Minute
	// probeTime bounds one look at whether a process is ready.
	probeTime = 5 * time.Second
)

// Rig is a folder with the binary, a PostgreSQL that syncs every commit to disk, and an organisation.
type Rig struct {
	// Dir is the folder; it goes with Close.
	Dir string
	PG  *pgserver.Server
	// Owner is the first owner of the organisation, with an API key.
	Owner  posthorn.Bootstrap
	binary string
	env    []string
}

// New builds the binary, which needs Go and the source code around the working folder, starts a PostgreSQL, and makes the
// organisation.
func New(ctx context.Context, log *slog.Logger) (*Rig, error) {
	dir, err := os.MkdirTemp("", "posthorn-rig-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	r := &Rig{Dir: dir, binary: filepath.Join(dir, "posthorn")}
	if err := r.prepare(ctx, log); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

func (r *Rig) prepare(ctx context.Context, log *slog.Logger) error {
	// The account that runs PostgreSQL has to pass through.
	if err := os.Chmod(r.Dir, 0o711); err != nil { //nolint:gosec // G302: there is nothing to be read here
		return fmt.Errorf("open the folder: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", r.binary, "posthorn/cmd/posthorn") //nolint:gosec // G204: our own folder
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build posthorn: %w\n%s", err, out)
	}
	var err error
	if r.PG, err = pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(r.Dir, "postgres"), Logger: log}); err != nil {
		return fmt.Errorf("start postgresql: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.Dir, "TMPDIR=" + os.TempDir(), "DATABASE_URL=" + r.PG.URL(pgserver.DefaultDatabase),
		"POSTHORN_DATA_DIR=" + filepath.Join(r.Dir, "var"), "POSTHORN_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key),
		"ACTIVITY_WEBHOOK_SECRET=" + rand.Text(), "POSTHORN_ENV=production", "POSTHORN_BASE_URL=https://posthorn.example",
		"POSTHORN_ALLOW_HTTP_TARGETS=true", "POSTHORN_ALLOW_TARGET_CIDRS=127.0.0.0/8",
		// What is measured and broken here is not the limit.
		"POSTHORN_API_RATE=1000000", "POSTHORN_API_BURST=1000000",
	}
	bootstrap := exec.CommandContext(ctx, r.binary, "bootstrap", "--json", "--email", "owner@posthorn.example") //nolint:gosec // G204: our own binary
	bootstrap.Env, bootstrap.Stderr = r.env, os.Stderr
	out, err := bootstrap.Output()
	if err != nil {
		return fmt.Errorf("make the organisation: %w", err)
	}
	if err := json.Unmarshal(out, &r.Owner); err != nil {
		return fmt.Errorf("read what bootstrap printed: %w", err)
	}
	return nil
}

// Close stops PostgreSQL and removes the folder.
func (r *Rig) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var err error
	if r.PG != nil {
		err = r.PG.Stop(ctx)
	}
	return errors.Join(err, os.RemoveAll(r.Dir))
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// Process is a server or worker, which can be killed and started again at the same address.
type Process struct {
	rig *Rig
	// Name is that of the command: serve or worker.
	Name string
	// URL is the server's address, empty for a worker.
	URL     string
	addr    string
	logFile string
	cmd     *exec.Cmd
	exited  chan error
	// logged is how long the log was when the process began.
	logged int64
}

// Process makes a process of a command; it does not run yet. What it logs goes to a file beside the binary.
func (r *Rig) Process(ctx context.Context, name, command string) (*Process, error) {
	p := &Process{rig: r, Name: command, logFile: filepath.Join(r.Dir, name+".log")}
	var err error
	if p.addr, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	if command == "serve" {
		p.URL = "http://" + p.addr
	}
	return p, nil
}

// Start runs the process, and returns when it is ready.
func (p *Process) Start(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	return p.AwaitReady(ctx)
}

// Launch runs the process and does not wait for it.
func (p *Process) Launch() error {
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.Name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	info, err := log.Stat()
	if err != nil {
		return fmt.Errorf("look at the log of %s: %w", p.Name, err)
	}
	p.logged = info.Size()
	// Not bound to a context: a process ends by Kill or Stop.
	p.cmd = exec.Command(p.rig.binary, p.Name) //nolint:gosec,noctx // G204: our own binary
	p.cmd.Env = append([]string{"POSTHORN_ADDR=" + p.addr}, p.rig.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start posthorn %s: %w", p.Name, err)
	}
	p.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(p.cmd, p.exited)
	return nil
}

// AwaitReady waits until a server says that it is ready, and a worker that it is up.
func (p *Process) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.ready(ctx) {
			return nil
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			return fmt.Errorf("posthorn %s ended: %w; its log ends with\n%s", p.Name, err, p.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("posthorn %s is not ready: %w; its log ends with\n%s", p.Name, ctx.Err(), p.LogTail())
		case <-tick.C:
		}
	}
}

func (p *Process) ready(ctx context.Context) bool {
	if p.URL != "" {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		status, err := get(ctx, p.URL+"/readyz")
		return err == nil && status == http.StatusOK
	}
	text, err := os.ReadFile(p.logFile)
	return err == nil && int64(len(text)) > p.logged && bytes.Contains(text[p.logged:], []byte("posthorn worker is up"))
}

// Died reports that the process ended although nobody asked it to.
func (p *Process) Died() error {
	if p.cmd == nil {
		return nil
	}
	select {
	case err := <-p.exited:
		p.exited <- err
		return fmt.Errorf("posthorn %s ended by itself: %w; its log ends with\n%s", p.Name, err, p.LogTail())
	default:
		return nil
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (p *Process) Kill() error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill posthorn %s: %w", p.Name, err)
	}
	<-p.exited //nolint:errcheck // it says that it was killed
	p.cmd = nil
	return nil
}

// Stop asks the process to end and waits. One that ends with an error, or not within 25 seconds, is an error; it is gone all
// the same.
func (p *Process) Stop() error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return errors.Join(fmt.Errorf("stop posthorn %s: %w", p.Name, err), p.Kill())
	}
	limit := time.NewTimer(25 * time.Second)
	defer limit.Stop()
	select {
	case err := <-p.exited:
		p.cmd = nil
		if err != nil {
			return fmt.Errorf("posthorn %s stopped: %w; its log ends with\n%s", p.Name, err, p.LogTail())
		}
		return nil
	case <-limit.C:
		return errors.Join(fmt.Errorf("posthorn %s does not stop; its log ends with\n%s", p.Name, p.LogTail()), p.Kill())
	}
}

// LogTail is the end of what the process logged.
func (p *Process) LogTail() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(text[max(len(text)-4000, 0):])
}

// KeepLog copies the log out of the rig's folder and returns where it is.
func (p *Process) KeepLog() (string, error) {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return "", fmt.Errorf("keep the log of %s: %w", p.Name, err)
	}
	to, err := os.CreateTemp("", "posthorn-*-"+filepath.Base(p.logFile))
	if err != nil {
		return "", fmt.Errorf("keep the log of %s: %w", p.Name, err)
	}
	_, err = to.Write(text)
	return to.Name(), errors.Join(err, to.Close())
}

// Pause waits, and reports whether it waited to the end: it is false when ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
