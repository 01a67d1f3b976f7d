package dispatch

import (
	"sync"

	"posthorn/internal/posthorn"
)

// jobOverhead is what a job takes in memory beside its data, in bytes, roughly.
const jobOverhead = 512

// size is what a job takes in memory, in bytes.
func size(j *posthorn.Job) int { return len(j.Data) + jobOverhead }

// budget is what may wait in memory: so many jobs, and so many bytes. What a claim under way was promised counts as taken.
type budget struct {
	mu                  sync.Mutex
	maxJobs, maxBytes   int
	usedJobs, usedBytes int
}

// take makes room for as many of the jobs as fit, from the first on, and returns how many these are.
func (b *budget) take(jobs []posthorn.Job) (taken int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for taken < len(jobs) && b.usedJobs < b.maxJobs {
		bytes := b.usedBytes + size(&jobs[taken])
		if bytes > b.maxBytes {
			break
		}
		b.usedBytes = bytes
		b.usedJobs++
		taken++
	}
	return taken
}

// promise makes room for a claim, of half of what is free at most, so that something is left for offers however much there is
// to be claimed. It returns for how many jobs, 0 for none, and for how many bytes of them.
func (b *budget) promise(mostJobs, mostBytes int) (jobs, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes = min(mostBytes, (b.maxBytes-b.usedBytes)/2)
	jobs = min(mostJobs, max((b.maxJobs-b.usedJobs)/2, 1), b.maxJobs-b.usedJobs, bytes/(2*jobOverhead))
	if jobs <= 0 {
		return 0, 0
	}
	b.usedJobs += jobs
	b.usedBytes += bytes
	return jobs, bytes
}

// give takes room back.
func (b *budget) give(jobs, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usedJobs -= jobs
	b.usedBytes -= bytes
}

// used is what is taken. What a claim brings may be more than it was promised, so it may be beyond what there is.
func (b *budget) used() (jobs, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usedJobs, b.usedBytes
}

// room is what is left.
func (b *budget) room() (jobs, bytes int) {
	jobs, bytes = b.used()
	return max(b.maxJobs-jobs, 0), max(b.maxBytes-bytes, 0)
}
