package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const timeout = 30 * time.Second

// Kinds of requests.
const (
	kindShort = "short" // one request on a new connection
	kindLong  = "long"  // one slow request on a new connection
	kindKept  = "kept"  // one of many on a kept connection
)

// outcome is what one request came to; failure is empty for a 200 read to its end.
type outcome struct {
	kind    string
	version string
	status  int
	failure string // connect, timeout, connection or status
	err     error
	ended   time.Time
}

type client struct {
	http *http.Client
	url  string
	host string
	dial func(context.Context, string, string) (net.Conn, error)
}

func newClient(o Options, query string) (*client, error) {
	address, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	if query != "" {
		if address.RawQuery != "" {
			query = address.RawQuery + "&" + query
		}
		address.RawQuery = query
	}
	dialer := &net.Dialer{Timeout: timeout}
	c := &client{url: address.String(), host: o.Host}
	c.dial = func(ctx context.Context, network, target string) (net.Conn, error) {
		if o.Address != "" {
			target = o.Address
		}
		return dialer.DialContext(ctx, network, target)
	}
	c.http = c.clientWith(&http.Transport{DialContext: c.dial, DisableKeepAlives: true})
	return c, nil
}

// keepingConnections is the same client on one connection of its own that stays open between requests.
func (c *client) keepingConnections() *client {
	kept := *c
	kept.http = c.clientWith(&http.Transport{DialContext: c.dial, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1})
	return &kept
}

func (c *client) clientWith(transport *http.Transport) *http.Client {
	return &http.Client{
		Transport: transport,
		Timeout:   timeout,
		// A redirect is an answer other than 200, not a reason to ask somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) ask(kind string) outcome {
	result := outcome{kind: kind}
	request, err := http.NewRequest(http.MethodGet, c.url, nil)
	if err == nil {
		request.Host = c.host
		var response *http.Response
		if response, err = c.http.Do(request); err == nil {
			result.status = response.StatusCode
			result.version = response.Header.Get("X-Version")
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}
	result.ended = time.Now()
	result.err = err
	result.failure = failureOf(err, result.status)
	if result.failure == "status" {
		result.err = fmt.Errorf("status %d", result.status)
	}
	return result
}

func failureOf(err error, status int) string {
	var network net.Error
	var operation *net.OpError
	switch {
	case err == nil && status == http.StatusOK:
		return ""
	case err == nil:
		return "status"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "connect"
	default:
		return "connection"
	}
}
