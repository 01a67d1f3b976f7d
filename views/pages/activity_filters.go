package pages

import (
	"slices"
	"strings"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

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
	return ui.FilterChipProps{
		ID: "f-application", Label: "Application", Value: chosenLabel(options), ClearURL: p.without(FilterApplication), Hidden: len(options) == 1,
	}
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

func (p FeedProps) time() timeFilter {
	return timeFilter{values: p.Values, from: p.Filter.From, to: p.Filter.To, location: p.Location, now: p.Now}
}

func (p FeedProps) timeChip() ui.FilterChipProps {
	return p.time().chip(p.without(FilterRange, FilterFrom, FilterTo))
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

// filterWords names all filters in words: `“abc”; type KYT; risk High, Critical`.
func (p FeedProps) filterWords() string {
	types := make([]string, 0, len(p.Filter.Types))
	for _, t := range p.Filter.Types {
		types = append(types, strings.ToUpper(string(t)))
	}
	var further []string
	if len(types) > 0 {
		further = append(further, "type "+strings.Join(types, ", "))
	}
	return filterSentence(p.Filter.Text, further, p.chips(), timeChip)
}

// noMatch says why nothing is listed, and how old the newest record is that the filters hide.
func (p FeedProps) noMatch() string {
	text := "Nothing passes these filters: " + p.filterWords() + "."
	if !p.Newest.IsZero() {
		text += " The newest record of all came " + ui.Relative(p.Newest.Time(), p.Now) + "."
	}
	return text
}
