// The application that the tests and the demonstration release: a web server that says which version answered and
// misbehaves on request. Every knob is an environment variable; see settings.go.
package main

import (
	"context"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	settings, err := settingsFrom(os.LookupEnv)
	if err != nil {
		log.Fatal(err)
	}
	if settings.CrashAfter == 0 {
		log.Fatal("CRASH_AFTER=0: crashing at start")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if interrupted(stop, settings.StartDelay) {
		return
	}
	if settings.CrashAfter > 0 {
		time.AfterFunc(settings.CrashAfter, func() { log.Fatalf("CRASH_AFTER=%s: crashing", settings.CrashAfter) })
	}
	if err := serve(settings, stop); err != nil {
		log.Fatal(err)
	}
}

// serve answers until a signal arrives, goes on for settings.Shutdown and then waits for the requests in flight.
// The end of the pod's grace period is the only limit on that wait.
func serve(settings Settings, stop <-chan os.Signal) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(settings.Port)))
	if err != nil {
		return err
	}
	var ending atomic.Bool
	handler := tellingOfTheEnd(newHandler(settings, time.Now()), &ending)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Printf("version %q serves port %d", settings.Version, settings.Port)
	select {
	case err := <-ended:
		return err
	case received := <-stop:
		log.Printf("%s: serving for another %s", received, settings.Shutdown)
	}
	if settings.Shutdown == 0 {
		return nil
	}
	ending.Store(true)
	time.Sleep(settings.Shutdown)
	return server.Shutdown(context.Background())
}

// tellingOfTheEnd lets clients that keep a connection leave it with their next answer, so that none is closed under a
// request that is on its way.
func tellingOfTheEnd(handler http.Handler, ending *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if ending.Load() {
			answer.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(answer, request)
	})
}

func interrupted(stop <-chan os.Signal, wait time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(wait):
		return false
	}
}

// fails decides whether one request gets settings.Status instead of 200.
func fails(settings Settings) bool {
	return settings.Status != http.StatusOK && rand.Float64() < settings.StatusRate
}
