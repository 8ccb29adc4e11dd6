package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Settings are the knobs, each read from the environment variable named beside it.
type Settings struct {
	Version     string                     // VERSION: what X-Version and the body say; "unknown" when not set
	OmitVersion bool                       // OMIT_VERSION: answer without the header and without the field
	Port        int                        // PORT: 8080 when not set
	Status      int                        // STATUS: status code of the answers that STATUS_RATE selects
	StatusRate  float64                    // STATUS_RATE: share of requests, 0..1, that get STATUS; 1 when not set
	Latency     time.Duration              // LATENCY: added to every answer
	Ready       bool                       // READY: false means never ready
	ReadyAfter  time.Duration              // READY_AFTER: not ready before this much time has passed
	StartDelay  time.Duration              // START_DELAY: time before the port is opened
	CrashAfter  time.Duration              // CRASH_AFTER: exit with an error after this time, 0 at once; -1 (not set) never
	Shutdown    time.Duration              // SHUTDOWN: goes on serving this long after SIGTERM, 0 exits at once; 2s when not set
	Body        map[string]json.RawMessage // BODY: a JSON object whose fields are added to every answer
}

func settingsFrom(lookup func(string) (string, bool)) (Settings, error) {
	read := reader{lookup: lookup}
	settings := Settings{
		Version:     read.text("VERSION", "unknown"),
		OmitVersion: read.yes("OMIT_VERSION", false),
		Port:        read.whole("PORT", 8080),
		Status:      read.whole("STATUS", 200),
		StatusRate:  read.share("STATUS_RATE", 1),
		Latency:     read.duration("LATENCY", 0),
		Ready:       read.yes("READY", true),
		ReadyAfter:  read.duration("READY_AFTER", 0),
		StartDelay:  read.duration("START_DELAY", 0),
		CrashAfter:  read.duration("CRASH_AFTER", -1),
		Shutdown:    read.duration("SHUTDOWN", 2*time.Second),
		Body:        read.fields("BODY"),
	}
	return settings, read.err
}

// reader keeps the first error, so that settings read as one list.
type reader struct {
	lookup func(string) (string, bool)
	err    error
}

func (r *reader) text(name, otherwise string) string {
	if value, found := r.lookup(name); found && value != "" {
		return value
	}
	return otherwise
}

func (r *reader) yes(name string, otherwise bool) bool {
	return parsed(r, name, otherwise, strconv.ParseBool)
}

func (r *reader) whole(name string, otherwise int) int {
	return parsed(r, name, otherwise, strconv.Atoi)
}

func (r *reader) share(name string, otherwise float64) float64 {
	return parsed(r, name, otherwise, func(text string) (float64, error) {
		value, err := strconv.ParseFloat(text, 64)
		if err == nil && (value < 0 || value > 1) {
			err = fmt.Errorf("not between 0 and 1")
		}
		return value, err
	})
}

// duration reads Go's notation (2s, 150ms); a bare number is seconds.
func (r *reader) duration(name string, otherwise time.Duration) time.Duration {
	return parsed(r, name, otherwise, func(text string) (time.Duration, error) {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil {
			return time.Duration(seconds * float64(time.Second)), nil
		}
		return time.ParseDuration(text)
	})
}

func (r *reader) fields(name string) map[string]json.RawMessage {
	return parsed(r, name, nil, func(text string) (map[string]json.RawMessage, error) {
		var fields map[string]json.RawMessage
		return fields, json.Unmarshal([]byte(text), &fields)
	})
}

func parsed[T any](r *reader, name string, otherwise T, parse func(string) (T, error)) T {
	text := r.text(name, "")
	if text == "" {
		return otherwise
	}
	value, err := parse(text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s=%q: %w", name, text, err)
	}
	return value
}
