// Package measure measures collections: what dims and target recalls are worth on their vectors
// (the trade-off that Calibrate shows), what recall live searches had, and how fast a machine
// scans.
package measure
