package posthorn

import (
	"cmp"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The fields of the forms about accounts: forms, errors and views share these names.
const (
	FieldEmail           = "email"
	FieldPassword        = "password"
	FieldCurrentPassword = "current_password"
	FieldNewPassword     = "new_password"
	FieldName            = "name"
	FieldTenant          = "tenant"
	FieldTheme           = "theme"
	FieldTimeZone        = "time_zone"
	FieldRole            = "role"
	FieldExternalID      = "externalId"
	FieldScopes          = "scopes"
	FieldExpiresAt       = "expires_at"
)

// fieldLabels are the fields as people read them at the start of a sentence.
var fieldLabels = map[string]string{
	FieldEmail:           "Email",
	FieldPassword:        "Password",
	FieldCurrentPassword: "Current password",
	FieldNewPassword:     "New password",
	FieldName:            "Name",
	FieldTenant:          "Organisation",
	FieldTheme:           "Theme",
	FieldTimeZone:        "Time zone",
	FieldRole:            "Role",
	FieldExternalID:      "External id",
	FieldScopes:          "Scopes",
	FieldExpiresAt:       "Expiry",
	FieldEvent:           "Event",
	FieldSchema:          "Schema",
	FieldExample:         "Example",
	FieldEnforcement:     "Enforcement",
	FieldURL:             "URL",
	FieldDescription:     "Description",
	FieldActive:          "Status",
	FieldEvents:          "Events",
	FieldApplicationID:   "Application",
	FieldHeaders:         "Headers",
	FieldSignature:       "Signature",
	FieldSecret:          "Secret",
	FieldTimeout:         "Timeout",
	FieldMaxAttempts:     "Attempts",
	FieldRetryOn:         "Retries",
	FieldRateLimit:       "Rate limit",
	FieldMaxInFlight:     "Requests in flight",
	FieldOverlap:         "Overlap",
	FieldConfirm:         "What you typed",
	"state":              "State",
	FieldText:            "What you look for",
	FieldAPIRate:         "API rate",
	FieldAPIBurst:        "API burst",
	FieldPublishRate:     "Publishing rate",
	FieldPublishBurst:    "Publishing burst",
}

// fieldLabel is how a sentence about a field begins.
func fieldLabel(field string) string {
	if name, ok := strings.CutPrefix(field, FieldHeaders+"."); ok {
		return strings.TrimSpace("Header " + quoteClip(name))
	}
	return cmp.Or(fieldLabels[field], field)
}

// Limits of what people type.
const (
	// MaxNameLength is the longest name of a person, organisation or key, in characters.
	MaxNameLength = 100
	// MaxEmailLength is the longest email address, in bytes (RFC 5321, section 4.5.3.1.3).
	MaxEmailLength = 254
	// MaxExternalIDLength is the longest external id, in characters, as for the userId of activity.
	MaxExternalIDLength = maxActivityText
)

// fieldFaults gathers what is wrong with the fields of a form, in the order in which the form has them.
type fieldFaults struct {
	fields    map[string]string
	sentences []string
}

// add notes a fault; rule reads on from the field's name: "must be …", "is taken". The first fault of a field counts.
func (f *fieldFaults) add(field, rule string) {
	if _, known := f.fields[field]; known {
		return
	}
	if f.fields == nil {
		f.fields = map[string]string{}
	}
	f.fields[field] = rule
	f.sentences = append(f.sentences, fieldLabel(field)+" "+rule+".")
}

// err is nil without faults, else an Invalid error that says all of them, as sentences and by field.
func (f *fieldFaults) err() error { return InvalidFields(strings.Join(f.sentences, " "), f.fields) }

// FieldError is an error about one field: rule reads on from the field's name ("is taken").
func FieldError(kind Kind, field, rule string) *Error {
	var f fieldFaults
	f.add(field, rule)
	return &Error{Kind: kind, Message: f.sentences[0], Fields: f.fields}
}

// name returns a name as people see it: without the space around it, and with one space where there are several. It notes a
// fault when there is none, when it is unfit to be shown in one line, and when it has characters that cannot be seen.
func (f *fieldFaults) name(field, text string) string {
	text = spaces.ReplaceAllLiteralString(strings.TrimSpace(text), " ")
	if text == "" {
		f.add(field, "must not be empty")
	}
	f.line(field, text, MaxNameLength, "must be at most 100 characters long")
	if strings.ContainsFunc(text, invisible) {
		f.add(field, "must not have invisible characters, such as zero-width spaces or marks of direction")
	}
	return text
}

// invisible reports whether a character formats text without being seen, such as a zero-width space or a mark of direction.
func invisible(r rune) bool { return unicode.Is(unicode.Cf, r) }

// spaces are spaces of whatever width, one or several in a row. Pages show them as one.
var spaces = regexp.MustCompile(`\p{Zs}+`)

// SameName reports whether text, as somebody typed it to confirm, is a name: the same words, with spaces as they please.
func SameName(text, name string) bool {
	return slices.Equal(strings.Fields(text), strings.Fields(name))
}

// line notes a fault when text is longer than limit, in characters, or holds what a single line cannot.
func (f *fieldFaults) line(field, text string, limit int, tooLong string) {
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, breaksLine):
		f.add(field, "must be plain text in one line")
	case utf8.RuneCountInString(text) > limit:
		f.add(field, tooLong)
	}
}

// breaksLine reports whether a character cannot stand in a single line.
func breaksLine(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// email returns an address without the space around it, as it was typed.
func (f *fieldFaults) email(text string) string {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		f.add(FieldEmail, "must not be empty")
	case len(text) > MaxEmailLength:
		f.add(FieldEmail, "must be at most 254 characters long")
	case !isEmail(text):
		f.add(FieldEmail, "must be one plain address, such as ana@example.com")
	}
	return text
}

// isEmail reports whether text is one address and nothing else: no display name, comment, quotes or address literal, and no
// character that makes it look like another address.
func isEmail(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && !strings.ContainsAny(text, `"[] `) && !strings.ContainsFunc(text, invisible)
}

// foldEmail is the form in which two addresses are compared outside the database.
func foldEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// password notes what the policy has against a password.
func (f *fieldFaults) password(field, password, email string, check func(password, email string) error) {
	if password == "" {
		f.add(field, "must not be empty")
	} else if err := check(password, email); err != nil {
		f.add(field, err.Error())
	}
}

func (f *fieldFaults) role(r Role) {
	if !r.Valid() {
		f.add(FieldRole, "must be one of owner, admin and member")
	}
}

func (f *fieldFaults) externalID(id string) string {
	id = strings.TrimSpace(id)
	f.line(FieldExternalID, id, MaxExternalIDLength, "must be at most 512 characters long")
	return id
}

func (f *fieldFaults) theme(t Theme) {
	if !t.Valid() {
		f.add(FieldTheme, "must be one of system, light and dark")
	}
}

// timeZone notes a fault unless the name is one of the time zone database. "Local" is the server's own and says nothing
// about the person.
func (f *fieldFaults) timeZone(name string) {
	_, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		f.add(FieldTimeZone, "must be the name of a time zone, such as Europe/Madrid")
	}
}

// scopes returns the scopes once each, in the order in which they are offered.
func (f *fieldFaults) scopes(scopes []Scope) []Scope {
	wanted := slices.DeleteFunc(Scopes(), func(s Scope) bool { return !slices.Contains(scopes, s) })
	unknown := slices.ContainsFunc(scopes, func(s Scope) bool { return !s.Valid() })
	if unknown || len(wanted) == 0 {
		f.add(FieldScopes, "must be one or more of read, write and publish")
	}
	return wanted
}
