package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// bounds are the histogram's upper bounds in seconds: the defaults of the Prometheus client libraries.
var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// metrics are served in the Prometheus text format.
type metrics struct {
	version string
	mutex   sync.Mutex
	codes   map[int]int
	buckets []int // requests that took at most bounds[i]
	count   int
	seconds float64
}

func newMetrics(settings Settings) *metrics {
	version := settings.Version
	if settings.OmitVersion {
		version = ""
	}
	return &metrics{version: version, codes: map[int]int{}, buckets: make([]int, len(bounds))}
}

func (m *metrics) observe(status int, took time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.codes[status]++
	m.count++
	m.seconds += took.Seconds()
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			m.buckets[i]++
		}
	}
}

func (m *metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintln(w, "# HELP http_requests_total Requests answered, by status code.")
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	codes := make([]int, 0, len(m.codes))
	for code := range m.codes {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		fmt.Fprintf(w, "http_requests_total{code=\"%d\",version=%q} %d\n", code, m.version, m.codes[code])
	}
	fmt.Fprintln(w, "# HELP http_request_duration_seconds Time from the request to the end of its answer.")
	fmt.Fprintln(w, "# TYPE http_request_duration_seconds histogram")
	for i, bound := range bounds {
		edge := strconv.FormatFloat(bound, 'g', -1, 64)
		fmt.Fprintf(w, "http_request_duration_seconds_bucket{version=%q,le=%q} %d\n", m.version, edge, m.buckets[i])
	}
	fmt.Fprintf(w, "http_request_duration_seconds_bucket{version=%q,le=\"+Inf\"} %d\n", m.version, m.count)
	fmt.Fprintf(w, "http_request_duration_seconds_sum{version=%q} %g\n", m.version, m.seconds)
	fmt.Fprintf(w, "http_request_duration_seconds_count{version=%q} %d\n", m.version, m.count)
}
