package app_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// nameServer is a name server that changes its mind.
type nameServer struct {
	mu    sync.Mutex
	hosts map[string][]netip.Addr
}

// dns is what this process asks for names, like a machine whose name server is not to be trusted: addresses of the tests'
// own hosts, and for all others that there are none. It is there before any test looks a name up.
var dns = func() *nameServer {
	s := &nameServer{hosts: map[string][]netip.Addr{}}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: s.dial}
	return s
}()

// answer makes a host have these addresses from now on.
func (s *nameServer) answer(host string, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[host] = nil
	for _, addr := range addrs {
		s.hosts[host] = append(s.hosts[host], netip.MustParseAddr(addr))
	}
}

// dial makes a connection to the server, on which messages have their lengths before them as on any stream (RFC 1035, 4.2.2).
func (s *nameServer) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		for {
			query, err := readMessage(server)
			if err != nil {
				return // the other side has what it wanted
			}
			reply := s.reply(query)
			if _, err := server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
				return
			}
		}
	}()
	return client, nil
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// The types of records, and the length of the head of a message.
const (
	typeA, typeAAAA = 1, 28
	headBytes       = 12
)

// reply answers the one question of a query.
func (s *nameServer) reply(query []byte) []byte {
	var labels []string
	end := headBytes
	for query[end] != 0 {
		next := end + 1 + int(query[end])
		labels = append(labels, string(query[end+1:next]))
		end = next
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	s.mu.Lock()
	addrs, known := s.hosts[strings.ToLower(strings.Join(labels, "."))]
	s.mu.Unlock()
	var answers [][]byte
	for _, addr := range addrs {
		if addr.Is4() == (kind == typeA) && (kind == typeA || kind == typeAAAA) {
			answers = append(answers, addr.AsSlice())
		}
	}
	flags := uint16(0x8580) // an answer with authority, to a client that may ask for more
	if !known {
		flags |= 3 // there is no such name
	}
	message := slices.Concat(query[:2], binary.BigEndian.AppendUint16(nil, flags), []byte{0, 1, 0, byte(len(answers)), 0, 0, 0, 0},
		query[headBytes:end+5])
	for _, rdata := range answers {
		message = append(message, 0xc0, headBytes) // the name of the question
		message = binary.BigEndian.AppendUint16(message, kind)
		message = append(message, 0, 1, 0, 0, 0, 0, 0, byte(len(rdata)))
		message = append(message, rdata...)
	}
	return message
}

// trap is an address that nobody may connect to.
type trap struct {
	port  string
	conns atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{}
	if _, tr.port, err = net.SplitHostPort(ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			tr.conns.Add(1)
			_ = conn.Close() // it should not be there
		}
	}()
	t.Cleanup(func() {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("close the trap: %v", err)
		}
		<-done
	})
	return tr
}

// many are so many requests of the API that tests need not count theirs.
var many = []string{"POSTHORN_API_RATE=60000", "POSTHORN_API_BURST=60000"}

// api calls the admin API with the owner's key and reads the answer into a value.
func api(t *testing.T, s *sitekit.Site, method, target, body string, want int, into any) {
	t.Helper()
	a := s.Client().Do(method, target, strings.NewReader(body), "Content-Type", "application/json", "Authorization", "Bearer "+s.Owner.APIKey)
	if a.StatusCode != want {
		t.Fatalf("%s %s %.200s: %d %s", method, target, body, a.StatusCode, a.Text)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(a.Text), into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, target, err, a.Text)
		}
	}
}

// newWebhook makes a webhook for submissions, with other fields beside, and returns its id.
func newWebhook(t *testing.T, s *sitekit.Site, url, fields string) string {
	t.Helper()
	var made struct{ ID string }
	api(t, s, http.MethodPut, path.APIWebhooks, fmt.Sprintf(`{"url":%q,"events":["submission.*"]%s}`, url, fields), http.StatusCreated, &made)
	return made.ID
}

// submissions is a batch of events.
func submissions(n int) string {
	one := `{"event":"submission.completed","data":{"submissionId":"sub_1","customerEmail":"customer@example.com","workflowId":"wf_1","status":"completed"}}`
	return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
}

// logged is a delivery as the API tells of it.
type logged struct {
	Status, Reason string
	NextAttemptAt  *string
	Attempts       []struct {
		StatusCode        *int
		ErrorClass, Error string
		RemoteAddress     *string
		RequestHeaders    map[string]any
	}
}

// attempted waits until the only delivery of a webhook was tried.
func attempted(t *testing.T, s *sitekit.Site, webhook string) logged {
	t.Helper()
	var list struct{ Data []logged }
	await(t, func() bool {
		api(t, s, http.MethodGet, path.APIDeliveries+"?webhookId="+webhook, "", http.StatusOK, &list)
		return len(list.Data) == 1 && len(list.Data[0].Attempts) > 0
	})
	return list.Data[0]
}

// A name that leads to a public address while the webhook is saved, and to a private one when it is dialled, is the usual way
// around a check that is made only once.
func TestANameThatTurnsToAPrivateAddressIsBlockedAndTheAttemptSaysSo(t *testing.T) {
	t.Parallel()
	const public = "93.184.216.34"
	inside := newTrap(t)
	s := sitekit.Start(t, append(many, "POSTHORN_ALLOW_HTTP_TARGETS=true")...)
	turns := map[string]struct {
		to   []string
		want string
	}{
		"loopback.rebind.test": {[]string{"127.0.0.1"}, "127.0.0.1, which is a loopback address (127.0.0.0/8)"},
		"mapped.rebind.test":   {[]string{"::ffff:127.0.0.1"}, "127.0.0.1, which is a loopback address (127.0.0.0/8)"},
		"mixed.rebind.test":    {[]string{public, "127.0.0.1"}, "127.0.0.1, which is a loopback address (127.0.0.0/8)"},
		"metadata.rebind.test": {[]string{"169.254.169.254"}, "169.254.169.254, which is the cloud metadata address"},
	}
	webhooks := map[string]string{}
	for host := range turns {
		dns.answer(host, public)
		webhooks[host] = newWebhook(t, s, "http://"+host+":"+inside.port+"/hook", "")
	}
	for host, turn := range turns {
		dns.answer(host, turn.to...)
	}
	api(t, s, http.MethodPost, path.APIEvents, submissions(1), http.StatusAccepted, nil)
	for host, turn := range turns {
		d := attempted(t, s, webhooks[host])
		a := d.Attempts[0]
		want := "Blocked: " + host + " resolves to " + turn.want + ". Posthorn sends only to public addresses."
		if a.ErrorClass != "blocked" || a.Error != want {
			t.Errorf("%s\n got %s %q\nwant blocked %q", host, a.ErrorClass, a.Error, want)
		}
		if a.RemoteAddress != nil || a.StatusCode != nil || len(a.RequestHeaders) != 0 {
			t.Errorf("%s: something was sent: %+v", host, a)
		}
		if d.Status != "pending" || d.Reason != "Attempt 1 of 10 failed: address not allowed" || d.NextAttemptAt == nil {
			t.Errorf("%s: the delivery is %+v", host, d)
		}
	}
	if n := inside.conns.Load(); n != 0 {
		t.Errorf("%d connections to a private address", n)
	}
}

// The redirect leads to an address that webhooks of this test may have: if it were followed, it would arrive.
func TestARedirectToAPrivateAddressIsNotFollowed(t *testing.T) {
	t.Parallel()
	inside := newTrap(t)
	s := sitekit.Start(t, slices.Concat(many, loopback)...)
	statuses := []int{301, 302, 303, 307, 308}
	webhooks := map[int]string{}
	final := "http://127.0.0.1:" + inside.port + "/admin"
	var hits atomic.Int32
	for _, status := range statuses {
		redirects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			http.Redirect(w, r, final, status)
		}))
		t.Cleanup(redirects.Close)
		webhooks[status] = newWebhook(t, s, redirects.URL, "")
	}
	api(t, s, http.MethodPost, path.APIEvents, submissions(1), http.StatusAccepted, nil)
	for _, status := range statuses {
		d := attempted(t, s, webhooks[status])
		a := d.Attempts[0]
		if a.StatusCode == nil || *a.StatusCode != status || a.ErrorClass != "redirect" ||
			a.Error != "Redirects are not followed. Set the final URL: "+final {
			t.Errorf("%d: the attempt is %+v", status, a)
		}
		if want := fmt.Sprintf("Failed: %d is not retried", status); d.Status != "error" || d.Reason != want || d.NextAttemptAt != nil {
			t.Errorf("%d: the delivery is %+v", status, d)
		}
	}
	if n := inside.conns.Load(); n != 0 || hits.Load() != int32(len(statuses)) {
		t.Errorf("%d connections to where redirects lead, %d to where they come from", n, hits.Load())
	}
}
