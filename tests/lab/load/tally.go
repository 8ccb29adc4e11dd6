package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	failuresKept = 100
	// A version that no new connection reached for so long has left; at any rate of the tests that is many requests.
	left = time.Second
)

// Summary is what is written at the end and served meanwhile. Requests and failures of every kind are in `requests`
// and `failed`; `short`, `long` and `kept` say how many of them were of that kind. `connections` are those that the
// kept ones took: as many as there are clients, and one more for each that was closed.
type Summary struct {
	Started     time.Time           `json:"started"`
	Seconds     float64             `json:"seconds"`
	Requests    int                 `json:"requests"`
	Failed      int                 `json:"failed"`
	Short       Count               `json:"short"`
	Long        Count               `json:"long"`
	Kept        Count               `json:"kept"`
	Connections int                 `json:"connections"`
	Versions    map[string]*Version `json:"versions"`
	Failures    []Failure           `json:"failures"`
}

// Count is a number of finished requests and how many of them failed.
type Count struct {
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
}

// Version counts the answers that carried one X-Version header; those without it are under "none". First and last are
// when answers had come; periods are those in which new connections led to it, one a second or more after the other.
type Version struct {
	Answers int       `json:"answers"`
	Failed  int       `json:"failed"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Periods []Period  `json:"periods"`
}

// Period is from the sending of the first short request that a version answered to the sending of the last.
type Period struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Failure is one failed request.
type Failure struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // connect, timeout, connection, unanswered, status or not sent
	Status  int       `json:"status"`
	Error   string    `json:"error"`
	Version string    `json:"version"`
	Request string    `json:"request"` // short, long or kept
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
	case kindShort:
		t.now.Short.add(well)
	case kindLong:
		t.now.Long.add(well)
	case kindKept:
		t.now.Kept.add(well)
		t.now.Connections += result.opened
	}
	if result.status != 0 {
		t.version(result.version).add(result)
	}
	if !well && len(t.now.Failures) < failuresKept {
		t.now.Failures = append(t.now.Failures, Failure{
			Time: result.ended.UTC(), Kind: result.failure, Status: result.status, Error: result.err.Error(),
			Version: result.version, Request: result.kind,
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
	if result.kind == kindShort {
		v.reached(result.began.UTC())
	}
}

// reached notes that a new connection led here. Answers come in another order than requests were sent, but not by as
// much as the time that parts two periods: one that takes longer only makes the time of leaving look later.
func (v *Version) reached(at time.Time) {
	now := len(v.Periods) - 1
	switch {
	case now < 0 || at.Sub(v.Periods[now].Last) >= left:
		v.Periods = append(v.Periods, Period{First: at, Last: at})
	case at.After(v.Periods[now].Last):
		v.Periods[now].Last = at
	case at.Before(v.Periods[now].First):
		v.Periods[now].First = at
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
		counted.Periods = append([]Period{}, version.Periods...)
		copied.Versions[name] = &counted
	}
	copied.Failures = append([]Failure{}, t.now.Failures...)
	return copied
}

func (t *tally) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(t.summary(time.Now()))
}
