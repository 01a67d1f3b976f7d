package pages

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/layout"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// ResourcesProps is the list of a kind of resources as a page.
type ResourcesProps struct {
	Page layout.PageProps
	List ResourceListProps
}

// ResourceListProps is the list with its filters: the fragment that is swapped when a filter changes.
type ResourceListProps struct {
	Kind   posthorn.ResourceKind
	Page   posthorn.ResourcePage
	Filter posthorn.ResourceFilter
	// Values are the filters as they stand in the query string; links add to them.
	Values url.Values
	// Faults says what is wrong with which filter; nothing is listed then.
	Faults       map[string]string
	Applications []posthorn.Application
	// FirstPage says that the newest are shown.
	FirstPage bool
	Location  *time.Location
	Now       time.Time
}

// ResourceProps is one resource with what became of it.
type ResourceProps struct {
	Page     layout.PageProps
	Resource posthorn.Resource
	Changes  []posthorn.ResourceChange
	// Application is that of the resource, nil for none.
	Application *posthorn.Application
	Location    *time.Location
	Now         time.Time
}

// resourceWords are how a kind is spoken of on its pages.
type resourceWords struct {
	// title is the kind in the plural at the start of a line, look what its search takes, empty how the first one comes about.
	title, look, empty string
}

var resourceKindWords = map[posthorn.ResourceKind]resourceWords{
	posthorn.KindInvitation: {
		"Invitations", "Email or invitation ID",
		"Invitations appear here as your services create them with the API. Each tells your webhooks when it is sent, expires or is cancelled.",
	},
	posthorn.KindSubmission: {
		"Submissions", "Email or submission ID",
		"Submissions appear here as your services create them with the API. Each step is an event that your webhooks get.",
	},
	posthorn.KindVerification: {
		"Verifications", "User reference or verification ID",
		"Verification sessions appear here as your services create them with the API. Each step is an event that your webhooks get.",
	},
	posthorn.KindIntegration: {
		"Integrations", "User or integration ID",
		"Wallets and exchange accounts appear here as your services create them with the API. Each change is an event that your webhooks get.",
	},
}

// ResourcesTitle names a kind in the plural, as at the start of a line.
func ResourcesTitle(kind posthorn.ResourceKind) string { return resourceKindWords[kind].title }

// ResourceTitle names a kind, as at the start of a line.
func ResourceTitle(kind posthorn.ResourceKind) string { return upperFirst(string(kind)) }

func (p ResourceListProps) words() resourceWords { return resourceKindWords[p.Kind] }

// url is the list without filters.
func (p ResourceListProps) url() string { return path.Resources(p.Kind.Plural()) }

// without is the list without some of its filters.
func (p ResourceListProps) without(names ...string) string {
	return path.With(p.url(), without(p.Values, names...))
}

func (p ResourceListProps) statusOptions() []ui.Option {
	var options []ui.Option
	for _, s := range p.Kind.States().Statuses() {
		options = append(options, ui.Option{Value: string(s), Label: resourceState(s), Selected: slices.Contains(p.Filter.Statuses, s)})
	}
	return options
}

func (p ResourceListProps) statusChip() ui.FilterChipProps {
	labels := make([]string, len(p.Filter.Statuses))
	for i, s := range p.Filter.Statuses {
		labels[i] = resourceState(s)
	}
	return ui.FilterChipProps{ID: "f-status", Label: "Status", Value: strings.Join(labels, ", "), ClearURL: p.without("status")}
}

// resourceFilterLabels name the filters of the kinds.
var resourceFilterLabels = map[string]string{
	posthorn.FieldCustomerEmail: "Email", posthorn.FieldWorkflowID: "Workflow", posthorn.FieldInvitationID: "Invitation",
	posthorn.FieldUserReference: "User", posthorn.FieldApplicationID: "Application", posthorn.FieldUID: "User",
	posthorn.FieldProvider: "Provider", posthorn.FieldCategory: "Category",
}

// searchedFilters are covered by the search, and have a chip only while the address sets them.
var searchedFilters = []string{posthorn.FieldCustomerEmail, posthorn.FieldUserReference, posthorn.FieldUID, posthorn.FieldInvitationID}

func (p ResourceListProps) fieldChip(name string) ui.FilterChipProps {
	value := p.Filter.Fields[name]
	chip := ui.FilterChipProps{
		ID: "f-" + name, Label: resourceFilterLabels[name], Value: value, ClearURL: p.without(name),
		Hidden: value == "" && slices.Contains(searchedFilters, name),
	}
	switch name {
	case posthorn.FieldApplicationID:
		chip.Value = chosenLabel(p.fieldOptions(name))
		chip.Hidden = len(p.Applications) == 0 && value == ""
	case posthorn.FieldCategory:
		chip.Value = chosenLabel(p.fieldOptions(name))
	}
	return chip
}

// fieldOptions are the choices of a filter, none for one that takes any text.
func (p ResourceListProps) fieldOptions(name string) []ui.Option {
	switch name {
	case posthorn.FieldApplicationID:
		return applicationOptions(p.Applications, p.Filter.Fields[name])
	case posthorn.FieldCategory:
		options := []ui.Option{{Label: "Any category", Selected: p.Filter.Fields[name] == ""}}
		for _, c := range posthorn.IntegrationCategories() {
			options = append(options, ui.Option{Value: string(c), Label: upperFirst(string(c)), Selected: p.Filter.Fields[name] == string(c)})
		}
		return options
	}
	return nil
}

func (p ResourceListProps) time() timeFilter {
	return timeFilter{values: p.Values, from: p.Filter.From, to: p.Filter.To, location: p.Location, now: p.Now}
}

func (p ResourceListProps) timeChip() ui.FilterChipProps {
	return p.time().chip(p.without(FilterRange, FilterFrom, FilterTo))
}

// chips are the filters that the form shows.
func (p ResourceListProps) chips() []ui.FilterChipProps {
	chips := []ui.FilterChipProps{p.statusChip()}
	for _, name := range p.Kind.FilterFields() {
		chips = append(chips, p.fieldChip(name))
	}
	return append(chips, p.timeChip())
}

// filterWords names all filters in words.
func (p ResourceListProps) filterWords() string {
	return filterSentence(p.Filter.Text, nil, p.chips(), timeChip)
}

func (p ResourceListProps) columns() []ui.Column {
	return []ui.Column{
		{Label: "Created, " + zoneName(p.Now, p.Location), Class: "max-sm:hidden"},
		{Label: ResourceTitle(p.Kind), Class: "max-sm:!pl-4"},
		{Label: "Status"},
		{Label: "ID", Class: "max-lg:hidden"},
	}
}

func (p ResourceListProps) pager() ui.PagerProps {
	return cursorPager(p.position(), p.url(), p.Values, p.Page.PrevCursor, p.Page.NextCursor)
}

// position says which part of the list is shown. All of it is never counted.
func (p ResourceListProps) position() string {
	shown := plural(len(p.Page.Resources), string(p.Kind))
	switch {
	case p.Page.PrevCursor != "":
		return shown
	case p.Page.NextCursor != "":
		return "Newest " + shown
	case len(p.Page.Resources) == 1:
		return "The only " + string(p.Kind)
	default:
		return "All " + shown
	}
}

// resourceURL is the page of a resource.
func resourceURL(r posthorn.Resource) string {
	return path.Resource(r.Head().Kind.Plural(), r.Head().ID())
}

// resourceName is what a person knows a resource by.
func resourceName(r posthorn.Resource) string {
	switch r := r.(type) {
	case *posthorn.Invitation:
		return r.CustomerEmail
	case *posthorn.Submission:
		return r.CustomerEmail
	case *posthorn.Verification:
		return r.UserReference
	case *posthorn.Integration:
		if r.Alias != "" {
			return r.Alias
		}
		return r.ProviderPublicName
	}
	return r.Head().ID()
}

// resourceLine is what stands under its name.
func resourceLine(r posthorn.Resource) string {
	switch r := r.(type) {
	case *posthorn.Invitation:
		return orText(r.WorkflowName, r.WorkflowID)
	case *posthorn.Submission:
		return orText(r.WorkflowName, r.WorkflowID)
	case *posthorn.Verification:
		return r.DecisionReason
	case *posthorn.Integration:
		return r.Provider + " · " + r.UID
	}
	return ""
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// resourceState writes a state in words: "requires_review" is "Requires review".
func resourceState(s posthorn.ResourceStatus) string {
	return upperFirst(strings.ToLower(strings.ReplaceAll(string(s), "_", " ")))
}

// resourceBadge shows a state.
func resourceBadge(s posthorn.ResourceStatus) ui.BadgeProps {
	b := ui.BadgeProps{Icon: ui.IconClock, Label: resourceState(s)}
	switch s {
	case posthorn.StatusSent:
		b.Tone, b.Icon = ui.Accent, ui.IconSend
	case posthorn.StatusApproved, posthorn.StatusCompleted, posthorn.SyncCompleted:
		b.Tone, b.Icon = ui.Success, ui.IconCheckCircle
	case posthorn.StatusRejected, posthorn.SyncFailed:
		b.Tone, b.Icon = ui.Critical, ui.IconXCircle
	case posthorn.StatusRequiresReview:
		b.Tone, b.Icon = ui.Warning, ui.IconAlert
	case posthorn.StatusProcessing, posthorn.SyncOngoing:
		b.Tone, b.Icon = ui.Accent, ui.IconLoader
	case posthorn.StatusDocumentSubmitted:
		b.Tone = ui.Accent
	case posthorn.StatusCancelled:
		b.Icon = ui.IconSlash
	default: // created, started, expired and queued are a clock
	}
	return b
}
