//go:build !race

package storage

// raceEnabled tells that all is ten times slower.
const raceEnabled = false
