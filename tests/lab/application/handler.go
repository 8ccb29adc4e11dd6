package main

import (
	"encoding/json"
	"net/http"
	"os"
	"time"
)

// newHandler answers for a server that started at `started`.
func newHandler(settings Settings, started time.Time) http.Handler {
	metrics := newMetrics(settings)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !settings.Ready || time.Since(started) < settings.ReadyAfter {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	mux.Handle("/metrics", metrics)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		status := answer(settings, w, r)
		metrics.observe(status, time.Since(begun))
	})
	return mux
}

func answer(settings Settings, w http.ResponseWriter, r *http.Request) int {
	status := http.StatusOK
	wait := settings.Latency
	if text := r.URL.Query().Get("delay"); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			status = http.StatusBadRequest
		}
		wait += delay
	}
	if fails(settings) {
		status = settings.Status
	}
	body := map[string]any{"host": hostname(), "path": r.URL.Path}
	for name, value := range settings.Body {
		body[name] = value
	}
	if !settings.OmitVersion {
		w.Header().Set("X-Version", settings.Version)
		body["version"] = settings.Version
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return statusClientGone
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
	return status
}

// statusClientGone counts requests whose client went away before the answer; nginx uses the same number.
const statusClientGone = 499

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
