package pages

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/posthorn"
	"posthorn/views/ui"
)

// FieldRemember is the field of the sign-in form that asks for a long session.
const FieldRemember = "remember"

// strengthRules says what a new password must be like.
const strengthRules = "8 to 128 characters, any of them. Not your email address, and none that everybody tries first."

// fieldFault is what is wrong with a field as a sentence, empty for nothing. Rules read on from the field's label, so that
// "must not be empty" becomes "Email must not be empty." at its field.
func fieldFault(fields map[string]string, name, label string) string {
	rule := fields[name]
	if rule == "" {
		return ""
	}
	return label + " " + strings.TrimSuffix(rule, ".") + "."
}

// firstFault returns the first of the named fields that is wrong, empty when none is.
func firstFault(fields map[string]string, names ...string) string {
	for _, name := range names {
		if fields[name] != "" {
			return name
		}
	}
	return ""
}

func (p SetupProps) firstFault() string {
	return firstFault(p.Fields, posthorn.FieldTenant, posthorn.FieldName, posthorn.FieldEmail, posthorn.FieldPassword)
}

// focus is the field to start with: the first bad one, else the first one, and none while an alert wants to be read.
func (p SetupProps) focus() string {
	if bad := p.firstFault(); bad != "" {
		return bad
	}
	if p.Error != "" {
		return ""
	}
	return posthorn.FieldTenant
}

// alert is the error when no field says it already.
func (p SetupProps) alert() string {
	if p.firstFault() != "" {
		return ""
	}
	return p.Error
}

// focus is the first field of the profile's forms that is wrong.
func (p ProfileProps) focus() string {
	return firstFault(p.Fields, posthorn.FieldName, posthorn.FieldCurrentPassword, posthorn.FieldNewPassword,
		posthorn.FieldTheme, posthorn.FieldTimeZone)
}

// alert says that nothing was saved, empty when nothing is wrong.
func (p ProfileProps) alert() string {
	switch len(p.Fields) {
	case 0:
		return ""
	case 1:
		return "Not saved. 1 field needs attention."
	default:
		return "Not saved. " + strconv.Itoa(len(p.Fields)) + " fields need attention."
	}
}

// themeLabels are the themes as the form offers them.
var themeLabels = map[posthorn.Theme]string{
	posthorn.ThemeSystem: "Like the system", posthorn.ThemeLight: "Light", posthorn.ThemeDark: "Dark",
}

func (p ProfileProps) themes() []ui.Option {
	options := make([]ui.Option, 0, len(themeLabels))
	for _, theme := range posthorn.Themes() {
		options = append(options, ui.Option{Value: string(theme), Label: themeLabels[theme], Selected: theme == p.Theme})
	}
	return options
}

// zones are the offered time zones. One that was typed into the address of the form and is not offered stands first, so that the
// list does not claim another choice.
func (p ProfileProps) zones() []ui.Option {
	names := p.Zones
	if !slices.Contains(names, p.TimeZone) {
		names = append([]string{p.TimeZone}, names...)
	}
	options := make([]ui.Option, 0, len(names))
	for _, name := range names {
		options = append(options, ui.Option{Value: name, Label: strings.ReplaceAll(name, "_", " "), Selected: name == p.TimeZone})
	}
	return options
}

// clock says what time it is for the reader, as the hint of the time zone.
func (p ProfileProps) clock() string {
	zone := p.Location
	if zone == nil {
		zone = time.UTC
	}
	return "All times are shown in this zone. It is " + p.Page.Now.In(zone).Format("15:04 MST") + " for you now."
}
