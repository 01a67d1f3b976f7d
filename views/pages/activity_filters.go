package pages

import (
	"maps"
	"slices"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// Every filter is one chip: its words stand on the chip and, when nothing matches, in the sentence that says so.

func (p FeedProps) riskChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-risk", Label: "Risk", Value: p.riskWords(), ClearURL: p.without(FilterRisk)}
}

func (p FeedProps) riskWords() string {
	words := make([]string, 0, len(p.Filter.RiskLevels))
	for _, level := range p.Filter.RiskLevels {
		words = append(words, upperFirst(string(level)))
	}
	return strings.Join(words, ", ")
}

func (p FeedProps) riskOptions() []ui.Option {
	options := make([]ui.Option, 0, len(posthorn.RiskLevels()))
	for _, level := range slices.Backward(posthorn.RiskLevels()) {
		options = append(options, ui.Option{
			Value: string(level), Label: upperFirst(string(level)), Selected: slices.Contains(p.Filter.RiskLevels, level),
		})
	}
	return options
}

func (p FeedProps) blockchainChip() ui.FilterChipProps {
	words := make([]string, 0, len(p.Filter.Blockchains))
	for _, chain := range p.Filter.Blockchains {
		words = append(words, chainName(chain))
	}
	return ui.FilterChipProps{
		ID: "f-blockchain", Label: "Blockchain", Value: strings.Join(words, ", "), ClearURL: p.without(FilterBlockchain),
		Hidden: len(p.blockchainOptions()) == 0,
	}
}

// blockchainOptions are the chains of the reader's records, and what the address asks for beside them.
func (p FeedProps) blockchainOptions() []ui.Option {
	chains := slices.Clone(p.Facets.Blockchains)
	for _, chain := range p.Filter.Blockchains {
		if !slices.Contains(chains, chain) {
			chains = append(chains, chain)
		}
	}
	options := make([]ui.Option, 0, len(chains))
	for _, chain := range chains {
		options = append(options, ui.Option{Value: chain, Label: chainName(chain), Selected: slices.Contains(p.Filter.Blockchains, chain)})
	}
	return options
}

// statusLabels are the outcomes in words.
var statusLabels = map[posthorn.ActivityStatus]string{"": "Any status", posthorn.ActivityOK: "OK", posthorn.ActivityError: "Error"}

func (p FeedProps) statusChip() ui.FilterChipProps {
	chip := ui.FilterChipProps{ID: "f-status", Label: "Status", ClearURL: p.without(FilterStatus)}
	if p.Filter.Status != "" {
		chip.Value = statusLabels[p.Filter.Status]
	}
	return chip
}

func (p FeedProps) statusOptions() []ui.Option {
	options := make([]ui.Option, 0, len(statusLabels))
	for _, status := range []posthorn.ActivityStatus{"", posthorn.ActivityOK, posthorn.ActivityError} {
		options = append(options, ui.Option{Value: string(status), Label: statusLabels[status], Selected: p.Filter.Status == status})
	}
	return options
}

func (p FeedProps) applicationChip() ui.FilterChipProps {
	options := p.applicationOptions()
	chip := ui.FilterChipProps{ID: "f-application", Label: "Application", ClearURL: p.without(FilterApplication), Hidden: len(options) == 1}
	for _, option := range options {
		if option.Selected && option.Value != "" {
			chip.Value = option.Label
		}
	}
	return chip
}

func (p FeedProps) applicationOptions() []ui.Option {
	options := []ui.Option{{Label: "Any application", Selected: p.Filter.Application == ""}}
	known := false
	for _, app := range p.Facets.Applications {
		option := ui.Option{Value: app.ID, Label: app.Name, Selected: app.ID == p.Filter.Application}
		if option.Label == "" {
			option.Label = app.ID
		}
		known = known || option.Selected
		options = append(options, option)
	}
	if !known && p.Filter.Application != "" {
		options = append(options, ui.Option{Value: p.Filter.Application, Label: p.Filter.Application, Selected: true})
	}
	return options
}

func (p FeedProps) userChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-user", Label: "User", Value: p.Filter.User, ClearURL: p.without(FilterUser)}
}

// rangeLabels are the stretches up to now, in the order in which they are offered.
var rangeLabels = []ui.Option{
	{Value: "", Label: "Any time"},
	{Value: "1h", Label: "Last hour"},
	{Value: "24h", Label: "Last 24 hours"},
	{Value: "7d", Label: "Last 7 days"},
	{Value: "30d", Label: "Last 30 days"},
}

func (p FeedProps) timeChip() ui.FilterChipProps {
	return ui.FilterChipProps{ID: "f-time", Label: "Time", Value: p.timeWords(), Icon: ui.IconCalendar, ClearURL: p.without(FilterRange, FilterFrom, FilterTo)}
}

func (p FeedProps) timeWords() string {
	from, to := p.wordsOf(FilterFrom, p.Filter.From), p.wordsOf(FilterTo, p.Filter.To)
	switch {
	case from != "" && to != "":
		return from + " – " + to
	case from != "":
		return "since " + from
	case to != "":
		return "until " + to
	}
	for _, option := range p.rangeOptions() {
		if option.Selected && option.Value != "" {
			return strings.ToLower(option.Label)
		}
	}
	return ""
}

// wordsOf writes a bound that was given by itself, empty when it was not.
func (p FeedProps) wordsOf(name string, bound time.Time) string {
	if p.Values.Get(name) == "" || bound.IsZero() {
		return ""
	}
	return p.in(bound).Format("2 Jan 2006, 15:04")
}

// bound is the value of a date field: the bound that was given by itself, on the reader's clock.
func (p FeedProps) bound(name string, bound time.Time) string {
	if p.Values.Get(name) == "" || bound.IsZero() {
		return ""
	}
	t := p.in(bound)
	if t.Truncate(time.Minute).Equal(t) {
		return t.Format(minuteLayout)
	}
	return t.Format("2006-01-02T15:04:05")
}

func (p FeedProps) rangeOptions() []ui.Option {
	options := slices.Clone(rangeLabels)
	for i := range options {
		options[i].Selected = options[i].Value == p.Values.Get(FilterRange)
	}
	return options
}

func (p FeedProps) metadataChip() ui.FilterChipProps {
	words := make([]string, 0, len(p.Filter.Metadata))
	names := make([]string, 0, len(p.Filter.Metadata))
	for _, m := range p.Filter.Metadata {
		words = append(words, m.Key+" = "+m.Value)
		names = append(names, FilterMetadata+m.Key)
	}
	return ui.FilterChipProps{ID: "f-metadata", Label: "Metadata", Value: strings.Join(words, ", "), ClearURL: p.without(names...)}
}

// chips are the filters that the form shows.
func (p FeedProps) chips() []ui.FilterChipProps {
	chips := []ui.FilterChipProps{p.riskChip(), p.blockchainChip(), p.statusChip(), p.applicationChip()}
	if p.offersUsers() {
		chips = append(chips, p.userChip())
	}
	return append(chips, p.metadataChip(), p.timeChip())
}

func (p FeedProps) offersUsers() bool { return p.ShowUser || p.Filter.User != "" }

// swapped is a chip on its way into a form that stays.
func swapped(chip ui.FilterChipProps) ui.FilterChipProps {
	chip.OOB = true
	return chip
}

// severalTypes says that the address asks for more types than one radio button can say.
func (p FeedProps) severalTypes() bool { return len(p.Filter.Types) > 1 }

func (p FeedProps) typeOptions() []ui.Option {
	var options []ui.Option
	if !p.severalTypes() {
		options = append(options, ui.Option{Label: "All", Selected: len(p.Filter.Types) == 0})
	}
	for _, t := range posthorn.ActivityTypes() {
		options = append(options, ui.Option{Value: string(t), Label: strings.ToUpper(string(t)), Selected: slices.Contains(p.Filter.Types, t)})
	}
	return options
}

// filterWords names all filters in words: `"abc"; type KYT; risk High, Critical`.
func (p FeedProps) filterWords() string {
	var words []string
	if p.Filter.Text != "" {
		words = append(words, "“"+p.Filter.Text+"”")
	}
	types := make([]string, 0, len(p.Filter.Types))
	for _, t := range p.Filter.Types {
		types = append(types, strings.ToUpper(string(t)))
	}
	if len(types) > 0 {
		words = append(words, "type "+strings.Join(types, ", "))
	}
	for _, chip := range p.chips() {
		switch {
		case chip.Value == "":
		case chip.ID == p.timeChip().ID:
			words = append(words, chip.Value)
		default:
			words = append(words, strings.ToLower(chip.Label)+" "+chip.Value)
		}
	}
	return strings.Join(words, "; ")
}

// noMatch says why nothing is listed, and how old the newest record is that the filters hide.
func (p FeedProps) noMatch() string {
	text := "Nothing passes these filters: " + p.filterWords() + "."
	if !p.Newest.IsZero() {
		text += " The newest record of all came " + ui.Relative(p.Newest.Time(), p.Now) + "."
	}
	return text
}

// faultWords says what is wrong with each filter.
func (p FeedProps) faultWords() []string {
	words := make([]string, 0, len(p.Faults))
	for _, name := range slices.Sorted(maps.Keys(p.Faults)) {
		words = append(words, upperFirst(name)+" "+strings.TrimSuffix(p.Faults[name], ".")+".")
	}
	return words
}
