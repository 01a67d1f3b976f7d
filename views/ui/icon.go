package ui

import "posthorn/static"

// IconName names a symbol of the icon sprite.
type IconName string

// The icons that exist: 16 px grid, 1.5 px stroke.
const (
	IconActivity     IconName = "activity"
	IconAlert        IconName = "alert"
	IconArrowLeft    IconName = "arrow-left"
	IconArrowRight   IconName = "arrow-right"
	IconCalendar     IconName = "calendar"
	IconCheck        IconName = "check"
	IconCheckCircle  IconName = "check-circle"
	IconChevronDown  IconName = "chevron-down"
	IconChevronLeft  IconName = "chevron-left"
	IconChevronRight IconName = "chevron-right"
	IconChevronUp    IconName = "chevron-up"
	IconChevrons     IconName = "chevrons"
	IconClock        IconName = "clock"
	IconCopy         IconName = "copy"
	IconDeliveries   IconName = "deliveries"
	IconDownload     IconName = "download"
	IconEntity       IconName = "entity"
	IconExternal     IconName = "external"
	IconEye          IconName = "eye"
	IconFilter       IconName = "filter"
	IconHash         IconName = "hash"
	IconHelp         IconName = "help"
	IconHome         IconName = "home"
	IconInbox        IconName = "inbox"
	IconInfo         IconName = "info"
	IconKey          IconName = "key"
	IconLoader       IconName = "loader"
	IconLock         IconName = "lock"
	IconMenu         IconName = "menu"
	IconMoon         IconName = "moon"
	IconMore         IconName = "more"
	IconOctagon      IconName = "octagon"
	IconPause        IconName = "pause"
	IconPauseCircle  IconName = "pause-circle"
	IconPlay         IconName = "play"
	IconPlus         IconName = "plus"
	IconRetry        IconName = "retry"
	IconSearch       IconName = "search"
	IconSend         IconName = "send"
	IconSettings     IconName = "settings"
	IconShield       IconName = "shield"
	IconSignOut      IconName = "sign-out"
	IconSlash        IconName = "slash"
	IconSun          IconName = "sun"
	IconSystem       IconName = "system"
	IconTerminal     IconName = "terminal"
	IconTrash        IconName = "trash"
	IconTx           IconName = "tx"
	IconUser         IconName = "user"
	IconUsers        IconName = "users"
	IconWallet       IconName = "wallet"
	IconWebhook      IconName = "webhook"
	IconX            IconName = "x"
	IconXCircle      IconName = "x-circle"
)

// sprite is the URL of the file with all icons.
var sprite = static.URL("icons.svg")

// href is the reference to the symbol inside the sprite.
func (n IconName) href() string { return sprite + "#i-" + string(n) }
