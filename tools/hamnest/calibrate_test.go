package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCalibrateMeasuresWhatATargetRecallPicksFrom(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		base := randomMatrix(31, 600, 512)
		queries := randomMatrix(32, 30, 512).file(t, "queries.npy")
		must(t, on(target, "collection", "create", "c", "--dims", "512", "--profile", "nested")...)
		must(t, on(target, "ingest", "c", base.file(t, "base.npy"))...)
		mustFail(t, "hamnest calibrate", on(target, "search", "c", "--query", queries, "--target-recall", "0.9")...)

		got := decode[calibrationJSON](t, must(t, on(target, "calibrate", "c", "--queries", queries, "--queries-skip", "10", "--profiles", "plain", "--format", "json")...))[0]
		if got.Rows != 600 || got.Queries != 20 || got.Source != "given" || got.K != 10 || got.Profile != "nested" || len(got.Settings) == 0 || len(got.Compared) != 1 || got.Compared[0].Profile != "plain" {
			t.Errorf("calibration is %+v", got)
		}
		stats := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		if c := stats.Calibration; c == nil || !c.Created.Equal(got.Created) || c.Rows != 600 || c.Queries != 20 || c.ProfileFingerprint != stats.ProfileFingerprint || c.Recalibrate != "" {
			t.Errorf("stats have the calibration %+v", c)
		}
		for _, line := range decode[evalRow](t, must(t, on(target, "eval", "c", "--queries", queries, "--dims", "256,0", "--target-recall", "0.9", "--format", "json")...)) {
			found := false
			for _, s := range got.Settings {
				found = found || s.Dims == line.Dims && s.ScanBits == line.ScanBits && float64(s.Candidates) == line.Candidates && s.Bound == line.Bound && s.Recall >= .9
			}
			if !found || line.TargetRecall != .9 || line.Recall < .7 {
				t.Errorf("eval used %+v, which the calibration does not have", line)
			}
		}
		mustFail(t, "target_recall", on(target, "eval", "c", "--queries", queries, "--target-recall", "0.9", "--candidates", "40")...)
		mustFail(t, "target_recall", on(target, "search", "c", "--query", queries, "--target-recall", "0.9", "--exact")...)

		table := must(t, on(target, "calibrate", "c", "--sample", "20", "-k", "5")...)
		for _, want := range []string{"20 stored queries of 600 vectors, recall@5, profile nested", "microseconds", "vectors_read"} {
			if !strings.Contains(table, want) {
				t.Errorf("table is %q, want it to say %q", table, want)
			}
		}
	})
}

func TestCalibrateRefusesFlagsThatMakeNoSense(t *testing.T) {
	target := []string{"--data", t.TempDir()}
	m := searchable(t, target)
	queries := matrix{3, m.cols, m.data[:3*m.cols]}.file(t, "queries.npy")
	for want, args := range map[string][]string{
		"--queries":         {"--queries-skip", "1"},
		"none is left":      {"--queries", queries, "--queries-skip", "3"},
		"below 0":           {"--queries", queries, "--queries-limit", "-1"},
		"-k is 0":           {"-k", "0"},
		"k: 1001":           {"-k", "1001"},
		`"bent"`:            {"--profiles", "bent"},
		`"auto"`:            {"--profiles", "auto"},
		`".png"`:            {"--plot", "a.png"},
		"sample":            {"--queries", queries, "--sample", "3"},
		"there is no direc": {"--plot", "x/y.svg", "--data", "nowhere"},
	} {
		mustFail(t, want, append([]string{"calibrate", "c", target[0], target[1]}, args...)...)
	}
}

func TestAPictureOfACalibrationIsWellFormed(t *testing.T) {
	target := []string{"--data", t.TempDir()}
	searchable(t, target)
	for _, name := range []string{"recall.svg", "recall.html"} {
		path := filepath.Join(t.TempDir(), name)
		must(t, on(target, "calibrate", "c", "--sample", "20", "--profiles", "nested", "--plot", path)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, want := range []string{"<svg", "plain, 64 dims", "plain, 128 dims", "nested, 128 dims", "microseconds", "kilobytes", "recall@10", "200 vectors"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
		if name == "recall.html" {
			if !strings.HasPrefix(text, "<!DOCTYPE html>") || strings.Contains(text, "<?xml") || strings.Contains(text, "http-equiv") {
				t.Errorf("%s is %.300s", name, text)
			}
			continue
		}
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	mustFail(t, "no such file", on(target, "calibrate", "c", "--plot", filepath.Join(t.TempDir(), "none", "a.svg"))...)
}

func TestAServerLearnsFromItsSearches(t *testing.T) {
	target := []string{"--server", startServer(t, t.TempDir(), "--live-queries", "8", "--live-checks", "1")}
	m := searchable(t, target)
	mustFail(t, "no live query yet", on(target, "calibrate", "c", "--live")...)
	must(t, on(target, "search", "c", "--query", matrix{20, m.cols, m.data[:20*m.cols]}.file(t, "queries.npy"))...)
	got := decode[calibrationJSON](t, must(t, on(target, "calibrate", "c", "--live", "--format", "json")...))[0]
	if got.Queries != 8 || got.Source != "live" {
		t.Errorf("calibration is %+v, want one of 8 live queries", got)
	}
	stats := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
	if stats.Live == nil || stats.Live.Queries != 8 {
		t.Errorf("live is %+v, want 8 queries", stats.Live)
	}
	if table := must(t, on(target, "stats", "c")...); !strings.Contains(table, "8 remembered") || !strings.Contains(table, "8 live queries") {
		t.Errorf("stats are %s", table)
	}
	mustFail(t, "--live-queries", "calibrate", "c", "--live", "--data", func() string {
		dir := t.TempDir()
		searchable(t, []string{"--data", dir})
		return dir
	}())
}
