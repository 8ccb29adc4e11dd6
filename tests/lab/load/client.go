package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
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
	failure string // connect, timeout, connection, unanswered, status or not sent
	err     error
	began   time.Time
	ended   time.Time
	opened  int // connections opened for it: none on a kept one, unless that was closed meanwhile
}

// errUnanswered is for a request that got no answer, although the next try did.
var errUnanswered = errors.New("it was sent on a kept connection, which was closed without an answer")

type client struct {
	http *http.Client
	url  string
	host string
	dial func(context.Context, string, string) (net.Conn, error)
}

var errNotSent = errors.New("too many others were still without an answer")

func notSent() outcome {
	now := time.Now()
	return outcome{kind: kindShort, failure: "not sent", err: errNotSent, began: now, ended: now}
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

// ask sends one request. A kept connection that was closed before the request was written is opened anew, as any client
// does. One that was closed after it is a request lost: net/http would send it once more and say nothing of it.
func (c *client) ask(kind string) outcome {
	result := outcome{kind: kind, began: time.Now()}
	var opened, written atomic.Int32
	trace := &httptrace.ClientTrace{
		GotConn: func(connection httptrace.GotConnInfo) {
			if !connection.Reused {
				opened.Add(1)
			}
		},
		WroteRequest: func(request httptrace.WroteRequestInfo) {
			if request.Err == nil {
				written.Add(1)
			}
		},
	}
	traced := httptrace.WithClientTrace(context.Background(), trace)
	request, err := http.NewRequestWithContext(traced, http.MethodGet, c.url, nil)
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
	result.opened = int(opened.Load())
	result.err = err
	result.failure = failureOf(err, result.status)
	if result.failure == "status" {
		result.err = fmt.Errorf("status %d", result.status)
	} else if result.failure == "" && written.Load() > 1 {
		result.failure, result.err = "unanswered", errUnanswered
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
