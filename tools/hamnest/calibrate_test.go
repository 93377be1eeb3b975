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

func TestCalibrateMeasuresPrefixesAndTargets(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, target []string) {
		queries := spectralMatrix(32, 30, 1024).file(t, "queries.npy")
		got := decode[calibrationJSON](t, must(t, on(target, "calibrate", "l", "--queries", queries, "--queries-skip", "10", "--format", "json")...))[0]
		if got.Rows != 1100 || got.Queries != 20 || got.Source != "given" || got.K != 10 || got.Profile != "learned" || got.Kernel == "" || got.ProfileFingerprint == "" {
			t.Errorf("calibration is %+v", got)
		}
		last := settingJSON{}
		for _, s := range got.Settings {
			if s.Dims < last.Dims || s.Dims == last.Dims && s.TargetRecall <= last.TargetRecall {
				t.Errorf("%+v follows %+v, want ascending dims and targets", s, last)
			}
			if s.PrefixRecall < s.TargetRecall-.05 || s.Microseconds <= 0 || s.Bytes <= 0 || s.VectorsRead < 10 {
				t.Errorf("setting is %+v, want about the recall that was asked for", s)
			}
			last = s
		}
		if first := got.Settings[0]; first.Dims != 64 || last.Dims != 1024 || first.Recall >= last.Recall || last.Recall != last.PrefixRecall {
			t.Errorf("settings are %+v to %+v, want 64 dims to 1024, which find more", first, last)
		}
		table := must(t, on(target, "calibrate", "l", "--sample", "20", "-k", "5")...)
		for _, want := range []string{"20 stored queries of 1100 vectors, recall@5, profile learned", "microseconds", "vectors_read", "prefix_recall"} {
			if !strings.Contains(table, want) {
				t.Errorf("table is %q, want it to say %q", table, want)
			}
		}
	})
}

func TestNothingToCalibrateIsSaid(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "collection", "create", "c", "--dims", "8")...)
		mustFail(t, "the collection has no vectors", on(target, "calibrate", "c")...)
	})
}

func TestCalibrateRefusesFlagsThatMakeNoSense(t *testing.T) {
	target := []string{"--data", t.TempDir()}
	m := searchable(t, target)
	queries := matrix{3, m.cols, m.data[:3*m.cols]}.file(t, "queries.npy")
	for want, args := range map[string][]string{
		"--queries":         {"--queries-skip", "1"},
		"none is left":      {"--queries", queries, "--queries-skip", "3"},
		"want 0 or more":    {"--queries", queries, "--queries-limit", "-1"},
		"-k is 0":           {"-k", "0"},
		"k: 1001":           {"-k", "1001"},
		`".png"`:            {"--plot", "a.png"},
		"sample":            {"--queries", queries, "--sample", "3"},
		"there is no direc": {"--plot", "x/y.svg", "--data", "nowhere"},
	} {
		mustFail(t, want, append([]string{"calibrate", "c", target[0], target[1]}, args...)...)
	}
}

func TestAPictureOfACalibrationIsWellFormed(t *testing.T) {
	t.Parallel()
	target := []string{"--data", learnedDir(t)}
	for _, name := range []string{"recall.svg", "recall.html"} {
		path := filepath.Join(t.TempDir(), name)
		must(t, on(target, "calibrate", "l", "--sample", "20", "--plot", path)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, want := range []string{"<svg", "queries cut to this many dimensions", ">64<", ">1024<", "whole queries at this target recall", ">0.95<", "microseconds", "kilobytes", "recall@10", "1100 vectors"} {
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
	mustFail(t, "no such file", on(target, "calibrate", "l", "--sample", "2", "--plot", filepath.Join(t.TempDir(), "none", "a.svg"))...)
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
	if table := must(t, on(target, "stats", "c")...); !strings.Contains(table, "8 remembered") {
		t.Errorf("stats are %s", table)
	}
	mustFail(t, "--live-queries", "calibrate", "c", "--live", "--data", func() string {
		dir := t.TempDir()
		searchable(t, []string{"--data", dir})
		return dir
	}())
}
