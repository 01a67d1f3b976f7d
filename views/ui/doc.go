// Package ui is the kit of the dashboard: icons, buttons, fields, badges, tables, dialogs, charts. Components know nothing of the
// domain; each takes one props struct, and what it shows is computed in Go before the template runs.
//
// Everything is made for a strict Content-Security-Policy: no style attribute, no inline script or handler. Class names are
// written in the .templ files, because only those are scanned when the style sheet is built.
package ui
