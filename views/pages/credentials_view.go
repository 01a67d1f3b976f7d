package pages

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// dots stand for the part of a secret that is not shown.
const dots = "••••••••"

// dayLayout is a day as the list of keys writes it.
const dayLayout = "2 Jan 2006"

// expiresSoon is from when before its end on a key is said to end soon.
const expiresSoon = 14 * 24 * time.Hour

func (p CredentialsProps) columns() []ui.Column {
	columns := []ui.Column{
		{Label: "Name"},
		{Label: "Scopes", Class: "max-lg:hidden"},
		{Label: "Status"},
		{Label: "Last used", Class: "max-md:hidden"},
		{Label: "Expires", Class: "max-md:hidden"},
	}
	if p.Owner {
		columns = append(columns, ui.Column{Label: "Actions", Hidden: true})
	}
	return columns
}

// keyMask is how a key is recognised.
func keyMask(k *posthorn.APIKey) string { return k.Prefix + dots + k.LastFour }

// secretMask is how a secret is recognised. The end of some old ones was never noted.
func secretMask(s *posthorn.SealedSecret) string { return "whsec_" + dots + s.LastFour }

func (p CredentialsProps) status(k *posthorn.APIKey) ui.BadgeProps {
	left := k.ExpiresAt.Sub(p.Now)
	switch {
	case !k.RevokedAt.IsZero():
		return ui.BadgeProps{Tone: ui.Neutral, Icon: ui.IconSlash, Label: "Revoked"}
	case !k.Live(p.Now):
		return ui.BadgeProps{Tone: ui.Neutral, Icon: ui.IconClock, Label: "Expired"}
	case k.ExpiresAt.IsZero() || left > expiresSoon:
		return ui.BadgeProps{Tone: ui.Success, Icon: ui.IconCheckCircle, Label: "Active"}
	case left < 48*time.Hour:
		return ui.BadgeProps{Tone: ui.Warning, Icon: ui.IconClock, Label: "Expires in " + plural(int(left.Hours())+1, "hour")}
	default:
		return ui.BadgeProps{Tone: ui.Warning, Icon: ui.IconClock, Label: "Expires in " + plural(int(left.Hours()/24), "day")}
	}
}

// expiry is the end of a key, in words.
func (p CredentialsProps) expiry(k *posthorn.APIKey) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "Revoked " + zoned(k.RevokedAt, p.Location).Format(dayLayout)
	case k.ExpiresAt.IsZero():
		return "Never"
	default:
		return zoned(k.ExpiresAt, p.Location).Format(dayLayout)
	}
}

func (p CredentialsProps) time(at time.Time) ui.TimeProps {
	return ui.TimeProps{At: at, Now: p.Now, Zone: p.Location}
}

// oldSecrets says until when the replaced secrets sign.
func (p CredentialsProps) oldSecrets() string {
	var text strings.Builder
	for _, s := range p.Secret.Old {
		text.WriteString("The secret " + ending(&s) + " signs until " + until(s.ExpiresAt, p.Location) + ". ")
	}
	return text.String() + "Then only the current one does."
}

func ending(s *posthorn.SealedSecret) string {
	if s.LastFour == "" {
		return "before it"
	}
	return "ending in " + s.LastFour
}

// until is the end of something, to the minute.
func until(at time.Time, zone *time.Location) string {
	return zoned(at, zone).Format("2 Jan 2006, 15:04 MST")
}

// scopeTexts say what each scope allows.
var scopeTexts = map[posthorn.Scope]string{
	posthorn.ScopeRead:    "See webhooks, deliveries, events and activity.",
	posthorn.ScopeWrite:   "Create, change and delete webhooks, send tests, replay deliveries.",
	posthorn.ScopePublish: "Publish events.",
}

func (p APIKeyFormProps) has(s posthorn.Scope) bool { return slices.Contains(p.Scopes, s) }

// focus is the field to start with: the first bad one, else the first one.
func (p APIKeyFormProps) focus() string {
	return cmp.Or(firstFault(p.Fields, posthorn.FieldName, posthorn.FieldScopes, posthorn.FieldExpiresAt), posthorn.FieldName)
}

func (p APIKeyFormProps) expiries() []ui.Option {
	options := []ui.Option{
		{Value: "", Label: "Never"},
		{Value: "30", Label: "In 30 days"},
		{Value: "90", Label: "In 90 days"},
		{Value: "365", Label: "In 365 days"},
		{Value: ExpiryOnDate, Label: "At the end of a day"},
	}
	for i := range options {
		options[i].Selected = options[i].Value == p.Expiry
	}
	return options
}

// question is the title of the page that asks whether to revoke a key.
func (p APIKeyRevokeProps) question() string { return "Revoke " + p.Key.Name + "?" }

// consequence says what revoking does.
func (p APIKeyRevokeProps) consequence() string {
	const text = "Calls with this key fail at once."
	if p.Key.LastUsedAt.IsZero() {
		return "Never used. " + text
	}
	return "Last used " + longAgo(p.Page.Now.Sub(p.Key.LastUsedAt)) + ". " + text
}

// longAgo writes a stretch of time up to now in words.
func longAgo(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute") + " ago"
	case d < 24*time.Hour:
		return plural(int(d.Hours()), "hour") + " ago"
	default:
		return plural(int(d.Hours()/24), "day") + " ago"
	}
}

// secretOverlaps are how long an old secret may sign on.
var secretOverlaps = []struct {
	overlap time.Duration
	label   string
}{
	{0, "End it at once"}, {time.Hour, "1 hour"}, {24 * time.Hour, "24 hours"}, {3 * 24 * time.Hour, "3 days"}, {7 * 24 * time.Hour, "7 days"},
}

func (p APISecretRotateProps) overlaps() []ui.Option {
	options := make([]ui.Option, len(secretOverlaps))
	for i, o := range secretOverlaps {
		options[i] = ui.Option{Value: strconv.Itoa(int(o.overlap.Seconds())), Label: o.label, Selected: o.overlap == p.Overlap}
		if o.overlap > 0 {
			options[i].Label += ", until " + until(p.Page.Now.Add(o.overlap), p.Location)
		}
	}
	return options
}
