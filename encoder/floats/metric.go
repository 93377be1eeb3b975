package floats

import "fmt"

// Metric is a measure of similarity between vectors. Under every metric a
// larger score is better.
//
// A sign code keeps a vector's direction and drops its length, so Hamming distance estimates
// the angle between two vectors: for vectors in random orientation the chance that a bit
// differs is angle/pi (Charikar, STOC 2002, section 3). Cosine is a function of that angle
// alone. Dot and L2 also need the lengths, which collections under these metrics keep beside
// each code.
type Metric uint8

const (
	// Cosine scores by the cosine of the angle, in [-1, 1]. It has no value for
	// an all-zero vector.
	Cosine Metric = iota
	// Dot scores by the inner product.
	Dot
	// L2 scores by minus the squared Euclidean distance, at most 0.
	L2
)

var metricNames = [...]string{Cosine: "cosine", Dot: "dot", L2: "l2"}

// ParseMetric returns the metric of that name: cosine, dot or l2.
func ParseMetric(name string) (Metric, error) {
	for m, n := range metricNames {
		if n == name {
			return Metric(m), nil
		}
	}
	return 0, fmt.Errorf("unknown metric %q, want one of %q", name, metricNames)
}

// String returns the name that ParseMetric reads.
func (m Metric) String() string {
	if int(m) < len(metricNames) {
		return metricNames[m]
	}
	return fmt.Sprintf("Metric(%d)", m)
}

// MarshalText writes the metric's name. It fails for a value that is not a metric.
func (m Metric) MarshalText() ([]byte, error) {
	if int(m) >= len(metricNames) {
		return nil, fmt.Errorf("no metric has number %d", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *Metric) UnmarshalText(text []byte) error {
	parsed, err := ParseMetric(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}
