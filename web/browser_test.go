package web_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/browserkit"
	"posthorn/internal/posthorn"
	"posthorn/internal/sitekit"
	"posthorn/views/path"
)

// Parts of the pages that several tests look at.
const (
	rowLink   = "#results .row-link"
	newRow    = "#results .row-new"
	openModal = "dialog:modal"
	drawer    = "#drawer-slot dialog:modal"
	pill      = "#new-pill a"
	announcer = "#announcer"
)

// clipboard is held by the test that copies and looks at what it copied: the windows of a browser have one together.
var clipboard sync.Mutex

// copying runs what copies and looks.
func copying(run func()) {
	clipboard.Lock()
	defer clipboard.Unlock()
	run()
}

// visitor opens a browser that is not signed in.
func visitor(t *testing.T, s *sitekit.Site) *browserkit.Page {
	t.Helper()
	p := browserkit.Open(t, s.URL)
	// htmx reports a request that a newer one replaced as an error.
	p.Allow("^console.error: htmx:(sendAbort|afterRequest),")
	return p
}

// person opens a browser and signs in as the first owner through the form.
func person(t *testing.T, s *sitekit.Site) *browserkit.Page {
	t.Helper()
	p := visitor(t, s)
	signIn(p, s.Owner.Email, s.Owner.Password)
	p.At(path.Home)
	return p
}

// signIn fills in and sends the form of a browser that is not signed in.
func signIn(p *browserkit.Page, email, password string) {
	p.Goto(path.Login)
	fillSignIn(p, email, password)
}

func fillSignIn(p *browserkit.Page, email, password string) {
	p.Fill(field(posthorn.FieldEmail), email)
	p.Fill(field(posthorn.FieldPassword), password)
	p.Click("button[type=submit]", "Sign in")
}

// post posts a transaction as a worker does; the hash tells it from others.
func post(s *sitekit.Site, hash string, fields map[string]any) string {
	record := map[string]any{"transactionHash": hash}
	maps.Copy(record, fields)
	return s.PostActivity(record)
}

// field is the selector of the field with a name.
func field(name string) string { return "input[name=" + name + "]" }

// recordURL is the drawer of a record over the unfiltered feed.
func recordURL(id string) string { return path.ActivityRecord(id) }

// row is the selector of a record's row.
func row(id string) string { return "#row-" + id }

// check is a record as it might come from one of the engines.
type check struct {
	kind, chain, subject, level string
	score                       float64
	status                      int
	summary, user, app          string
	ago                         time.Duration
}

const (
	clerkAmara = "user_32T5kyEywX9x8X3P3XGxcyptIbn"
	clerkJonas = "user_2xQ7hTnZbK4mPdW9sLcVfRyA1Eo"
	clerkMei   = "user_30bGv8NjYqX2wTzCkHsRdLp5UaM"
	ledgerLink = "app_2xMn1psnHkYRTH00nxdvp02IWfr"
	onboarding = "app_31KqWc8ZtVbNrXyD4mPoLsGhJea"
)

// applications are the names of the client applications.
var applications = map[string]string{ledgerLink: "LedgerLink Web", onboarding: "Onboarding"}

// checks are what a feed looks like on a quiet afternoon, newest first.
func checks() []check {
	const alphabet58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	const alphabet32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	random := rand.New(rand.NewPCG(2026, 11))
	pick := func(alphabet string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	hash := func() string {
		b := make([]byte, 32)
		for i := range b {
			b[i] = byte(random.UintN(256))
		}
		return hex.EncodeToString(b)
	}
	ethereum := func() string { return "0x" + hash()[:40] }
	bitcoin := func() string { return "bc1q" + pick(alphabet32, 38) }
	return []check{
		{"kyt", "ethereum", "0x" + hash(), "low", 6, 200, `{"verdict":"clear"}`, clerkAmara, ledgerLink, 8 * time.Second},
		{"kye", "", "Halcyon Freight GmbH", "medium", 38, 200, `{"verdict":"review","lists":1}`, clerkJonas, onboarding, 19 * time.Second},
		{"kyt", "tron", hash(), "low", 11, 200, `{"verdict":"clear"}`, clerkAmara, ledgerLink, 33 * time.Second},
		{"kyt", "ethereum", "0x" + hash(), "critical", 92, 200, `{"verdict":"block","exposure":"sanctioned entity"}`, clerkAmara, ledgerLink, 50 * time.Second},
		{"kya", "bitcoin", bitcoin(), "high", 71, 200, `{"verdict":"escalate","exposure":"darknet market"}`, clerkMei, ledgerLink, 62 * time.Second},
		{"kyt", "solana", pick(alphabet58, 88), "low", 2, 200, `{"verdict":"clear"}`, clerkJonas, ledgerLink, 89 * time.Second},
		{"kya", "ethereum", ethereum(), "low", 14, 200, `{"verdict":"clear"}`, clerkMei, ledgerLink, 118 * time.Second},
		{"kye", "", "Blue Heron Trading Ltd", "", -1, 503, "", clerkJonas, onboarding, 133 * time.Second},
		{"kyt", "bitcoin", hash(), "medium", 44, 200, `{"verdict":"review","exposure":"mixing"}`, clerkAmara, ledgerLink, 160 * time.Second},
		{"kyt", "polygon", "0x" + hash(), "low", 9, 200, `{"verdict":"clear"}`, clerkMei, ledgerLink, 181 * time.Second},
		{"kya", "tron", "T" + pick(alphabet58, 33), "high", 64, 200, `{"verdict":"escalate","exposure":"scam"}`, clerkAmara, ledgerLink, 222 * time.Second},
		{"kye", "", "Ostrava Metals s.r.o.", "low", 8, 200, `{"verdict":"clear","lists":0}`, clerkJonas, onboarding, 245 * time.Second},
		{"kyt", "ethereum", "0x" + hash(), "low", 4, 200, `{"verdict":"clear"}`, clerkMei, ledgerLink, 289 * time.Second},
		{"kyt", "litecoin", hash(), "", -1, 422, "", clerkAmara, ledgerLink, 314 * time.Second},
		{"kya", "bitcoin", bitcoin(), "medium", 33, 200, `{"verdict":"review","exposure":"gambling"}`, clerkMei, ledgerLink, 351 * time.Second},
		{"kyt", "ethereum", "0x" + hash(), "low", 12, 200, `{"verdict":"clear"}`, clerkAmara, ledgerLink, 380 * time.Second},
		{"kyt", "tron", hash(), "low", 7, 200, `{"verdict":"clear"}`, clerkJonas, ledgerLink, 418 * time.Second},
		{"kye", "", "Meridian Shipping & Sons", "low", 3, 200, `{"verdict":"clear","lists":0}`, clerkJonas, onboarding, 466 * time.Second},
		{"kya", "ethereum", ethereum(), "critical", 97, 200, `{"verdict":"block","exposure":"stolen funds"}`, clerkAmara, ledgerLink, 540 * time.Second},
		{"kyt", "bitcoin", hash(), "low", 10, 200, `{"verdict":"clear"}`, clerkMei, ledgerLink, 601 * time.Second},
		{"kyt", "solana", pick(alphabet58, 88), "medium", 41, 200, `{"verdict":"review","exposure":"mixing"}`, clerkJonas, ledgerLink, 655 * time.Second},
		{"kyt", "ethereum", "0x" + hash(), "low", 5, 200, `{"verdict":"clear"}`, clerkAmara, ledgerLink, 702 * time.Second},
	}
}

// body writes a check as its worker posts it.
func (c check) body() map[string]any {
	fields := map[string]any{
		"activityType": c.kind, "userId": c.user, "statusCode": c.status, "transactionHash": nil, "blockchain": nil, "riskLevel": nil, "riskScore": nil,
		"clientAppId": c.app, "clientAppName": applications[c.app], "metadata": map[string]any{"source": "async-worker-1", "case": map[string]any{"id": 4711}},
		"requestPayload": map[string]any{"subject": c.subject, "chain": c.chain},
	}
	if c.chain != "" {
		fields["blockchain"] = c.chain
	}
	fields[map[string]string{"kyt": "transactionHash", "kya": "address", "kye": "entityId"}[c.kind]] = c.subject
	if c.kind == "kye" {
		fields["entityId"], fields["entityName"] = "ent_"+c.subject[:4], c.subject
	}
	if c.level != "" {
		fields["riskLevel"], fields["riskScore"] = c.level, c.score
		fields["responsePayload"] = map[string]any{"riskLevel": c.level, "riskScore": c.score, "indicators": []map[string]any{
			{"category": "sanctioned_entity", "hops": 2, "share": 0.412}, {"category": "exchange", "exposure": "direct", "share": 0.38},
		}}
	}
	if c.summary != "" {
		fields["responseSummary"] = json.RawMessage(c.summary)
	}
	if c.status == 503 {
		fields["errorMessage"] = "Provider unavailable"
	}
	return fields
}

// postChecks posts the checks, oldest first, and then moves them back in time as if they had come one after the other. It
// returns their ids, newest first.
func postChecks(t *testing.T, s *sitekit.Site) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Config.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	now := time.Now()
	all := checks()
	ids := make([]string, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		posted, err := posthorn.ParseActivityID(s.PostActivity(all[i].body()))
		if err != nil {
			t.Fatal(err)
		}
		then := now.Add(-all[i].ago)
		aged := posthorn.ActivityIDAt(then)
		copy(aged[6:], posted[6:])
		if _, err := conn.Exec(t.Context(), `UPDATE user_activity_history SET id = $1, created_at = $2 WHERE id = $3`,
			[16]byte(aged), then, [16]byte(posted)); err != nil {
			t.Fatal(err)
		}
		ids[i] = aged.String()
	}
	return ids
}
