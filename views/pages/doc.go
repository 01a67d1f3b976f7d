// Package pages holds one .templ a page, with the props that its handler fills beside it. Props carry what the domain
// knows; the templates decide how it looks and compute nothing. Every URL comes from package path.
package pages
