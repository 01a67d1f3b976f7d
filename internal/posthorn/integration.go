package posthorn

import (
	"cmp"
	"net/url"
	"time"
)

// Integration is a wallet or exchange account of a user, from which transactions are synchronised.
type Integration struct {
	ResourceHead
	// UID is the user whose integration it is.
	UID string
	// Provider identifies the provider, such as "binance"; ProviderPublicName is its name for people.
	Provider, ProviderPublicName string
	// PublicAddress is the wallet's address, empty for an exchange.
	PublicAddress string
	// WalletID identifies the wallet or integration for its producer, once in a tenant.
	WalletID string
	// LogoURL and Alias are empty for none.
	LogoURL, Alias string
	IsContract     bool
	AddedOn        time.Time
	// LastSyncedAt is the last successful synchronisation, zero for none yet.
	LastSyncedAt time.Time
	Category     IntegrationCategory
	Type         IntegrationType
	// TotalTransactions is how many came from it.
	TotalTransactions int64
}

// IntegrationCategory is what an integration is connected to.
type IntegrationCategory string

// IntegrationCategories lists the categories.
func IntegrationCategories() []IntegrationCategory {
	return []IntegrationCategory{"exchange", "wallet", "blockchain", unknownCategory}
}

const unknownCategory IntegrationCategory = "unknown"

// IntegrationType is how the data of an integration comes in.
type IntegrationType string

const integrationAPI IntegrationType = "api"

// IntegrationTypes lists the types.
func IntegrationTypes() []IntegrationType { return []IntegrationType{integrationAPI, "csv"} }

// The fields of an integration.
const (
	FieldUID           = fieldUID
	FieldProvider      = "provider"
	FieldCategory      = "category"
	FieldWalletID      = "walletId"
	fieldProviderName  = "providerPublicName"
	fieldPublicAddress = "publicAddress"
	fieldLogoURL       = "logoUrl"
	fieldIsContract    = "isContract"
	fieldAlias         = "alias"
	fieldAddedOn       = "addedOn"
	fieldLastSyncedAt  = "lastSyncedAt"
	fieldType          = "type"
	fieldTransactions  = "totalTransactions"
)

// The states of an integration: where its synchronisation stands.
const (
	SyncQueued    ResourceStatus = "QUEUED"
	SyncOngoing   ResourceStatus = "ONGOING"
	SyncCompleted ResourceStatus = "COMPLETED"
	SyncFailed    ResourceStatus = "FAILED"
)

const (
	eventIntegrationUpdated = "integration.updated"
	eventIntegrationDeleted = "integration.deleted"
)

var integrationSpec = resourceSpec{
	machine: Machine{
		{Status: SyncQueued, Event: "integration.created", Next: []ResourceStatus{SyncOngoing}, Updated: eventIntegrationUpdated},
		{
			Status: SyncOngoing, Event: eventIntegrationUpdated, Next: []ResourceStatus{SyncCompleted, SyncFailed},
			Updated: eventIntegrationUpdated,
		},
		{Status: SyncCompleted, Event: eventIntegrationUpdated, Updated: eventIntegrationUpdated},
		{Status: SyncFailed, Event: "integration.failed", Updated: eventIntegrationUpdated},
	},
	ids:     idsOf[integrationKind](),
	filters: []string{FieldUID, FieldProvider, FieldCategory},
	blank:   func() Resource { return &Integration{Category: unknownCategory, Type: integrationAPI} },
}

func (i *Integration) put(in *resourceInput) {
	in.fixed(FieldUID, func() { in.line(FieldUID, &i.UID) })
	in.fixed(FieldProvider, func() { in.line(FieldProvider, &i.Provider) })
	in.optionalLine(fieldProviderName, &i.ProviderPublicName)
	i.ProviderPublicName = cmp.Or(i.ProviderPublicName, i.Provider)
	in.optionalLine(fieldPublicAddress, &i.PublicAddress)
	in.fixed(FieldWalletID, func() { in.optionalLine(FieldWalletID, &i.WalletID) })
	i.WalletID = cmp.Or(i.WalletID, i.ID())
	if in.optionalLine(fieldLogoURL, &i.LogoURL); i.LogoURL != "" && !isWebAddress(i.LogoURL) {
		in.faults.add(fieldLogoURL, "must be an http or https URL")
	}
	in.truth(fieldIsContract, &i.IsContract)
	in.optionalLine(fieldAlias, &i.Alias)
	in.fixed(fieldAddedOn, func() { in.millis(fieldAddedOn, &i.AddedOn) })
	if i.AddedOn.IsZero() {
		i.AddedOn = inMilliseconds(in.now)
	}
	in.millis(fieldLastSyncedAt, &i.LastSyncedAt)
	choice(in, FieldCategory, &i.Category, IntegrationCategories())
	choice(in, fieldType, &i.Type, IntegrationTypes())
	in.count(fieldTransactions, &i.TotalTransactions)
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// entered notes when a synchronisation succeeded, unless the request says so itself.
func (i *Integration) entered(in *resourceInput) {
	if _, said := in.raw(fieldLastSyncedAt); i.Status == SyncCompleted && !said {
		i.LastSyncedAt = inMilliseconds(in.now)
	}
}

// integrationJSON has the fields of the source document.
type integrationJSON struct {
	UID                string              `json:"uid"`
	Provider           string              `json:"provider"`
	ProviderPublicName string              `json:"providerPublicName"`
	PublicAddress      *string             `json:"publicAddress"`
	WalletID           string              `json:"walletId"`
	LogoURL            *string             `json:"logoUrl"`
	IsContract         bool                `json:"isContract"`
	Alias              *string             `json:"alias"`
	Status             ResourceStatus      `json:"status"`
	AddedOn            int64               `json:"addedOn"`
	LastSyncedAt       *int64              `json:"lastSyncedAt"`
	Category           IntegrationCategory `json:"category"`
	Type               IntegrationType     `json:"type"`
	TotalTransactions  int64               `json:"totalTransactions"`
}

func (i *Integration) eventData() any {
	out := integrationJSON{
		UID: i.UID, Provider: i.Provider, ProviderPublicName: i.ProviderPublicName, PublicAddress: orNull(i.PublicAddress), WalletID: i.WalletID,
		LogoURL: orNull(i.LogoURL), IsContract: i.IsContract, Alias: orNull(i.Alias), Status: i.Status, AddedOn: i.AddedOn.UnixMilli(),
		Category: i.Category, Type: i.Type, TotalTransactions: i.TotalTransactions,
	}
	if !i.LastSyncedAt.IsZero() {
		ms := i.LastSyncedAt.UnixMilli()
		out.LastSyncedAt = &ms
	}
	return out
}

// MarshalJSON writes the integration as the API does.
func (i *Integration) MarshalJSON() ([]byte, error) {
	data, _ := i.eventData().(integrationJSON)
	return marshal(struct {
		ID string `json:"id"`
		integrationJSON
		CreatedAt string `json:"createdAt"`
		UpdatedAt string `json:"updatedAt"`
	}{i.ID(), data, FormatTime(i.CreatedAt), FormatTime(i.UpdatedAt)})
}
