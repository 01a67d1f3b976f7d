package posthorn

import "time"

// latencyBounds are the upper bounds of the buckets that durations of attempts are counted in, but for the last bucket, which
// has none. Each is about 1.5 times the one before: a percentile read from them is off by a quarter at most.
var latencyBounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 7 * time.Millisecond,
	10 * time.Millisecond, 15 * time.Millisecond, 22 * time.Millisecond, 33 * time.Millisecond, 50 * time.Millisecond,
	75 * time.Millisecond, 110 * time.Millisecond, 165 * time.Millisecond, 250 * time.Millisecond, 375 * time.Millisecond,
	560 * time.Millisecond, 850 * time.Millisecond, 1300 * time.Millisecond, 2 * time.Second, 3 * time.Second,
	4500 * time.Millisecond, 6750 * time.Millisecond, 10 * time.Second, 15 * time.Second, 22 * time.Second,
}

// LatencyBuckets is how many buckets there are.
const LatencyBuckets = len(latencyBounds) + 1

// LatencyBucket returns the bucket that a duration is counted in, from 0.
func LatencyBucket(d time.Duration) int {
	for i, bound := range latencyBounds {
		if d <= bound {
			return i
		}
	}
	return len(latencyBounds)
}

// LatencyPercentile returns the duration below which a share of the counted ones lies, such as 0.95: between the bounds of its
// bucket in proportion. It is 0 when nothing was counted.
func LatencyPercentile(counts []int64, share float64) time.Duration {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := share * float64(total)
	for i, n := range counts {
		if rank > float64(n) || n == 0 {
			rank -= float64(n)
			continue
		}
		lower, upper := time.Duration(0), MaxTimeout
		if i > 0 {
			lower = latencyBounds[i-1]
		}
		if i < len(latencyBounds) {
			upper = latencyBounds[i]
		}
		return lower + time.Duration(float64(upper-lower)*rank/float64(n))
	}
	return MaxTimeout
}
