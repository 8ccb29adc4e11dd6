// Package common holds the names of process-exporter that ingress-nginx uses to count nginx's processes. No version of
// that module can be had from the module proxy; without it the controller lacks only its nginx_process_* metrics.
package common

// ProcAttributes describes a process to a MatchNamer.
type ProcAttributes struct {
	Name    string
	Cmdline []string
}

// MatchNamer says whether a process is counted, and under which name.
type MatchNamer interface {
	MatchAndName(process ProcAttributes) (bool, string)
	String() string
}
