package pages

// Names of the filters of the feed, in its form as in the query string.
const (
	FilterText        = "q"
	FilterType        = "type"
	FilterRisk        = "risk"
	FilterBlockchain  = "blockchain"
	FilterStatus      = "status"
	FilterApplication = "application"
	FilterUser        = "user"
	FilterRange       = "range"
	FilterFrom        = "from"
	FilterTo          = "to"
	// FilterMetadata is followed by the path of a value: "metadata.case.id=7".
	FilterMetadata = "metadata."
)

// Names of the two fields that stand for one "metadata.key=value" until the server has put them together.
const (
	FieldMetadataKey   = "metadataKey"
	FieldMetadataValue = "metadataValue"
)

// Parameters that say where in the feed a request is.
const (
	// PageAfter and PageBefore continue the feed below and above a record.
	PageAfter  = "after"
	PageBefore = "before"
	// SinceRecord is the newest record that the reader has seen.
	SinceRecord = "since"
	// FreshSince asks for the feed with the records above this one marked as new.
	FreshSince = "fresh"
)
