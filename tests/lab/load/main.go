// load sends requests at a steady rate, each on a new connection, and counts what every one of them came to. The
// schedule does not wait for answers (open loop), so a gateway that stalls cannot hide it by being asked less. Beside
// them it keeps slow requests in flight, and connections open that are used again and again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// mostFlying is how many short requests may be unanswered. One more is counted as failed and not sent, so that a
// machine or a gateway that answers nothing any more is not buried under what it still has to refuse.
const mostFlying = 5000

// keptPause is the time between two requests on a kept connection.
const keptPause = 500 * time.Millisecond

// Options are the command line.
type Options struct {
	URL       string
	Host      string
	Address   string
	Rate      float64
	Long      int
	LongQuery string
	KeptAlive int
	Duration  time.Duration
	Listen    string
	Output    string
	Attached  bool
}

func options() (Options, error) {
	var o Options
	flag.StringVar(&o.URL, "url", "", "address to ask")
	flag.StringVar(&o.Host, "host", "", "Host header; the URL's host when not given")
	flag.StringVar(&o.Address, "address", "", "IP:PORT to connect to; the URL's when not given")
	flag.Float64Var(&o.Rate, "rate", 100, "requests per second, each on a new connection")
	flag.IntVar(&o.Long, "long", 0, "long requests kept in flight at all times")
	flag.StringVar(&o.LongQuery, "long-query", "delay=4s", "query of the long requests")
	flag.IntVar(&o.KeptAlive, "kept-alive", 0, "clients that also send 2 requests per second each on one kept connection")
	flag.DurationVar(&o.Duration, "duration", 10*time.Minute, "time after which sending stops")
	flag.StringVar(&o.Listen, "listen", "", "IP:PORT where the summary can be read while the load runs")
	flag.StringVar(&o.Output, "output", "", "file that gets the summary at the end; standard output when not given")
	flag.BoolVar(&o.Attached, "attached", false, "stop sending when standard input ends, as with who started this")
	flag.Parse()
	if o.URL == "" || flag.NArg() > 0 {
		return o, errors.New("--url is required, and there are no positional arguments")
	}
	if o.Rate < 0 || o.Rate > 5000 {
		return o, errors.New("--rate is 0 to 5000 requests per second")
	}
	return o, nil
}

func main() {
	o, err := options()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func run(o Options) error {
	sending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	sending, expire := context.WithTimeout(sending, o.Duration)
	defer expire()
	if o.Attached {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			expire()
		}()
	}

	tally := newTally(time.Now())
	if o.Listen != "" {
		listener, err := net.Listen("tcp", o.Listen)
		if err != nil {
			return err
		}
		go http.Serve(listener, tally)
	}
	short, err := newClient(o, "")
	if err != nil {
		return err
	}
	long, err := newClient(o, o.LongQuery)
	if err != nil {
		return err
	}

	var flying sync.WaitGroup
	for range o.Long {
		flying.Go(func() { repeat(sending, 0, func() bool { return tally.add(long.ask(kindLong)) }) })
	}
	for number := range o.KeptAlive {
		kept := short.keepingConnections()
		flying.Go(func() {
			// One after the other, so that they do not all ask at the same moment.
			if wait(sending, keptPause*time.Duration(number)/time.Duration(o.KeptAlive)) {
				repeat(sending, keptPause, func() bool { return tally.add(kept.ask(kindKept)) })
			}
		})
	}
	var unanswered atomic.Int64
	schedule(sending, o.Rate, func() {
		if unanswered.Load() >= mostFlying {
			tally.add(notSent())
			return
		}
		unanswered.Add(1)
		flying.Go(func() {
			defer unanswered.Add(-1)
			tally.add(short.ask(kindShort))
		})
	})
	flying.Wait()
	return write(o.Output, tally.summary(time.Now()))
}

// schedule calls send at a steady rate until the context ends, catching up when the machine was late.
func schedule(sending context.Context, rate float64, send func()) {
	started := time.Now()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for sent := 0; ; {
		select {
		case <-sending.Done():
			return
		case now := <-ticks.C:
			for ; float64(sent) < rate*now.Sub(started).Seconds(); sent++ {
				send()
			}
		}
	}
}

// repeat asks again and again until the context ends, waiting `pause` in between, and a little after a failure.
func repeat(sending context.Context, pause time.Duration, ask func() bool) {
	for sending.Err() == nil {
		rest := pause
		if !ask() {
			rest = max(pause, 100*time.Millisecond)
		}
		wait(sending, rest)
	}
}

// wait waits, and says whether it was for all of that time.
func wait(sending context.Context, pause time.Duration) bool {
	select {
	case <-sending.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

func write(path string, summary Summary) error {
	text, err := json.MarshalIndent(summary, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if path == "" {
		_, err = os.Stdout.Write(text)
		return err
	}
	// Renamed into place, so that whoever waits for the file never reads half of it.
	if err := os.WriteFile(path+".part", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
