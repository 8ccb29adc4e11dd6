// Package proc finds single processes, which the controller's health check needs, and counts none.
package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	common "github.com/ncabatoff/process-exporter"
)

// FS is a mounted proc file system.
type FS struct {
	root string
}

// Proc is a process that was there when it was asked for.
type Proc struct{}

// Iter is a list of processes.
type Iter struct{}

// CollectErrors counts processes that could not be read.
type CollectErrors struct{}

// Memory is what a group of processes uses, in bytes.
type Memory struct {
	ResidentBytes, VirtualBytes uint64
}

// Group is the sum over several processes.
type Group struct {
	Procs                      int
	OldestStartTime            time.Time
	CPUUserTime, CPUSystemTime float64
	ReadBytes, WriteBytes      uint64
	Memory                     Memory
}

// GroupByName has a group under each name.
type GroupByName map[string]Group

// Grouper sums processes up.
type Grouper struct{}

// NewFS looks at the proc file system mounted at root.
func NewFS(root string, _ bool) (*FS, error) {
	_, err := os.Stat(root)
	return &FS{root: root}, err
}

// Proc finds a process by its id.
func (fs *FS) Proc(pid int) (Proc, error) {
	_, err := os.Stat(filepath.Join(fs.root, strconv.Itoa(pid)))
	return Proc{}, err
}

// AllProcs lists no process.
func (fs *FS) AllProcs() Iter {
	return Iter{}
}

// NewGrouper makes a Grouper that counts nothing.
func NewGrouper(_ common.MatchNamer, _, _, _, _ bool) *Grouper {
	return &Grouper{}
}

// Update returns no groups.
func (*Grouper) Update(_ Iter) (CollectErrors, GroupByName, error) {
	return CollectErrors{}, nil, nil
}
