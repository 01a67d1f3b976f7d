package pages

import (
	"maps"
	"net/url"
	"slices"

	"github.com/a-h/templ"

	"posthorn/internal/posthorn"
	"posthorn/views/path"
	"posthorn/views/ui"
)

// Tabs of the pages about all webhooks.
const (
	tabWebhooks = "Webhooks & API"
	tabLogs     = "Logs"
)

// webhooksTabs are the pages about all webhooks.
func webhooksTabs(current string) ui.TabsProps {
	return ui.TabsProps{Label: "Webhooks", Items: []ui.Tab{
		{Label: tabWebhooks, URL: path.Webhooks, Key: "1", Current: current == tabWebhooks},
		{Label: tabLogs, URL: path.DeliveryLog, Key: "2", Current: current == tabLogs},
	}}
}

// url is the address of the log without its filters.
func (p DeliveryLogProps) url() string {
	if p.Webhook != nil {
		return path.WebhookLog(p.Webhook.ID.String())
	}
	return path.DeliveryLog
}

// at is the log with filters.
func (p DeliveryLogProps) at(values url.Values) string { return path.With(p.url(), values) }

// without is the log without some of its filters.
func (p DeliveryLogProps) without(names ...string) string {
	return p.at(without(p.Values, names...))
}

// filters are those in force, with the webhook where the address names it, for pages that are not the webhook's.
func (p DeliveryLogProps) filters() url.Values {
	if p.Webhook == nil {
		return p.Values
	}
	return with(p.Values, FilterWebhookID, p.Webhook.ID.String())
}

// filtered says whether anything but the address of the webhook narrows the log.
func (p DeliveryLogProps) filtered() bool {
	f := p.Filter
	if p.Webhook != nil {
		f.WebhookID = posthorn.WebhookID{}
	}
	return !f.IsZero()
}

// live are the addresses with which the script keeps the log up to date.
func (p DeliveryLogProps) live() templ.Attributes {
	attrs := templ.Attributes{"data-url": p.at(p.Values), "data-noun": "delivery", "data-nouns": "deliveries"}
	if len(p.Faults) > 0 {
		return attrs
	}
	news := p.filters()
	if p.Webhook != nil {
		news = with(news, LogOf, p.Webhook.ID.String())
	}
	maps.Copy(attrs, liveList{
		at: p.at, filters: p.Values, stream: path.DeliveryLogStream, news: path.DeliveryLogNew, newsFilters: news,
		seen: seenOf(p.Newest, posthorn.DeliveryIDAt), firstPage: p.FirstPage,
	}.attrs())
	attrs["data-rows-url"] = path.DeliveryLogRows
	return attrs
}

// fresh says whether a delivery is one of the new ones.
func (p DeliveryLogProps) fresh(id posthorn.DeliveryID) bool {
	return !p.Fresh.IsZero() && id.After(p.Fresh)
}

// deliveryRow is the id of a delivery's row, and of a part of it.
func deliveryRow(id posthorn.DeliveryID, part string) string {
	if part == "" {
		return "row-" + id.String()
	}
	return "row-" + id.String() + "-" + part
}

func (p DeliveryLogProps) columns() []ui.Column {
	columns := []ui.Column{{Label: "Status"}, {Label: "Event type"}}
	if p.Webhook == nil {
		columns = append(columns, ui.Column{Label: "Webhook", Class: "max-lg:hidden"})
	}
	return append(columns,
		ui.Column{Label: "Response", Class: "max-md:hidden"},
		ui.Column{Label: "Attempts", Class: "max-lg:hidden", Number: true},
		ui.Column{Label: "Duration", Class: "max-lg:hidden", Number: true},
		ui.Column{Label: "Delivery", Class: "max-xl:hidden"},
		ui.Column{Label: "Time, " + zoneName(p.Now, p.Location), Class: "max-sm:hidden", Number: true},
	)
}

// total is how many deliveries the filters let through, "2,000+" when not all were counted.
func (p DeliveryLogProps) total() string { return estimated(p.Count) }

// totalWord follows total.
func (p DeliveryLogProps) totalWord() string {
	switch p.segment() {
	case segmentDelivered:
		return "delivered"
	case segmentNotDelivered:
		return "not delivered"
	case segmentPending:
		return "pending"
	case segmentFailed:
		return "failed"
	}
	if p.Count.N == 1 && !p.Count.More {
		return "delivery"
	}
	return "deliveries"
}

func (p DeliveryLogProps) pager() ui.PagerProps {
	pager := ui.PagerProps{Text: p.position()}
	if p.Page.PrevCursor != "" {
		pager.NewerURL = p.at(with(p.Values, PageCursor, p.Page.PrevCursor))
	}
	if p.Page.NextCursor != "" {
		pager.OlderURL = p.at(with(p.Values, PageCursor, p.Page.NextCursor))
	}
	return pager
}

// position says which part of the log is shown.
func (p DeliveryLogProps) position() string {
	n := len(p.Page.Entries)
	shown := ui.Count(int64(n))
	switch {
	case !p.Page.Reached.IsZero():
		return shown + " since " + p.reached() + ". Older ones are searched on the next page."
	case p.Page.PrevCursor == "" && p.Page.NextCursor == "" && n == 1:
		return "The only delivery"
	case p.Page.PrevCursor == "" && p.Page.NextCursor == "":
		return "All " + shown + " deliveries"
	case p.Page.PrevCursor == "":
		return "Newest " + shown + " of " + p.total()
	default:
		return shown + " of " + p.total()
	}
}

// reached is the time to which the log was searched.
func (p DeliveryLogProps) reached() string {
	return zoned(p.Page.Reached.Time(), p.Location).Format("2 Jan 2006, 15:04:05")
}

// text counts what is new.
func (p DeliveryLogNewsProps) text() string {
	if p.News.N == 0 {
		return ""
	}
	return counted(int64(p.News.N), p.News.More, "new delivery", "new deliveries")
}

func (p DeliveryLogNewsProps) url() string {
	if p.Of == "" {
		return path.With(path.DeliveryLog, p.Values)
	}
	return path.With(path.WebhookLog(p.Of), with(p.Values, FilterWebhookID))
}

// attemptsOf is how many attempts the webhook grants a delivery, 0 where the page does not know.
func (p DeliveryLogProps) attemptsOf(e *posthorn.LogEntry) int {
	switch {
	case e.State != posthorn.DeliveryPending && e.State != posthorn.DeliveryFailed:
		return 0
	case e.Test:
		return 1
	case p.Webhook != nil:
		return max(p.Webhook.MaxAttempts, e.Attempts)
	}
	i := slices.IndexFunc(p.Webhooks, func(w posthorn.Webhook) bool { return w.ID == e.WebhookID })
	if i < 0 {
		return 0
	}
	return max(p.Webhooks[i].MaxAttempts, e.Attempts)
}

// The parts of a row that change while it stays where it is.
const (
	partStatus        = "status"
	partResponse      = "response"
	partResponseShort = "answer"
	partAttempts      = "attempts"
	partDuration      = "duration"
)

var rowParts = []string{partStatus, partResponse, partResponseShort, partAttempts, partDuration}

// failures says that what is listed has failed, or may have.
func (p DeliveryLogProps) failures() bool {
	return p.segment() == segmentNotDelivered || p.segment() == segmentFailed
}

// replays says that the filters select what can be sent again.
func (p DeliveryLogProps) replays() bool {
	return p.Count.N > 0 && p.filtered() && p.segment() != segmentPending
}

// further leads to where the search goes on.
func (p DeliveryLogProps) further() templ.Component {
	cursor, label := p.Page.NextCursor, "Search older deliveries"
	if cursor == "" {
		cursor, label = p.Page.PrevCursor, "Search newer deliveries"
	}
	return ui.LinkButton(ui.LinkButtonProps{Label: label, URL: p.at(with(p.Values, PageCursor, cursor))})
}

// firstStep leads to what makes a first delivery.
func (p DeliveryLogProps) firstStep() templ.Component {
	switch {
	case p.Webhook != nil:
		return ui.LinkButton(ui.LinkButtonProps{Label: "Send test", Icon: ui.IconSend, URL: path.WebhookTest(p.Webhook.ID.String())})
	case len(p.Webhooks) == 0:
		return newWebhookButton("")
	default:
		return nil
	}
}
