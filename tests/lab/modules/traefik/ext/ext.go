// Package ext holds the extension points that Traefik's own module replaces by a local folder; they are empty.
package ext

// HTTP extends Traefik's dynamic HTTP configuration.
type HTTP struct{}

// Router extends Traefik's router.
type Router struct{}
