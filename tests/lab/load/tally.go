package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const failuresKept = 100

// Summary is what is written at the end and served meanwhile. Requests and failures of every kind are in `requests`
// and `failed`; `long` and `kept` say how many of them were of that kind.
type Summary struct {
	Started  time.Time           `json:"started"`
	Seconds  float64             `json:"seconds"`
	Requests int                 `json:"requests"`
	Failed   int                 `json:"failed"`
	Long     Count               `json:"long"`
	Kept     Count               `json:"kept"`
	Versions map[string]*Version `json:"versions"`
	Failures []Failure           `json:"failures"`
}

// Count is a number of finished requests and how many of them failed.
type Count struct {
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
}

// Version counts the answers that carried one X-Version header; those without it are under "none".
type Version struct {
	Answers int       `json:"answers"`
	Failed  int       `json:"failed"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// Failure is one failed request.
type Failure struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // connect, timeout, connection or status
	Status  int       `json:"status"`
	Error   string    `json:"error"`
	Version string    `json:"version"`
	Long    bool      `json:"long"`
}

// tally is the count so far.
type tally struct {
	mutex sync.Mutex
	now   Summary
}

func newTally(started time.Time) *tally {
	return &tally{now: Summary{Started: started.UTC(), Versions: map[string]*Version{}, Failures: []Failure{}}}
}

// add counts one finished request and says whether it went well.
func (t *tally) add(result outcome) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	well := result.failure == ""
	t.now.Requests++
	if !well {
		t.now.Failed++
	}
	switch result.kind {
	case kindLong:
		t.now.Long.add(well)
	case kindKept:
		t.now.Kept.add(well)
	}
	if result.status != 0 {
		t.version(result.version).add(result)
	}
	if !well && len(t.now.Failures) < failuresKept {
		t.now.Failures = append(t.now.Failures, Failure{
			Time: result.ended.UTC(), Kind: result.failure, Status: result.status, Error: result.err.Error(),
			Version: result.version, Long: result.kind == kindLong,
		})
	}
	return well
}

func (c *Count) add(well bool) {
	c.Requests++
	if !well {
		c.Failed++
	}
}

func (v *Version) add(result outcome) {
	v.Answers++
	if result.failure != "" {
		v.Failed++
	}
	ended := result.ended.UTC()
	if v.First.IsZero() || ended.Before(v.First) {
		v.First = ended
	}
	if ended.After(v.Last) {
		v.Last = ended
	}
}

func (t *tally) version(name string) *Version {
	if name == "" {
		name = "none"
	}
	if t.now.Versions[name] == nil {
		t.now.Versions[name] = &Version{}
	}
	return t.now.Versions[name]
}

func (t *tally) summary(now time.Time) Summary {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	copied := t.now
	copied.Seconds = now.Sub(copied.Started).Seconds()
	copied.Versions = map[string]*Version{}
	for name, version := range t.now.Versions {
		counted := *version
		copied.Versions[name] = &counted
	}
	copied.Failures = append([]Failure{}, t.now.Failures...)
	return copied
}

func (t *tally) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(t.summary(time.Now()))
}
