package server

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
	unknown    = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
)

// wantHealth checks what health says of a service.
func (h *harness) wantHealth(t *testing.T, service string, want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	resp, err := healthpb.NewHealthClient(h.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
	if err != nil || resp.GetStatus() != want {
		t.Errorf("service %q is %v (%v), want %v", service, resp.GetStatus(), err, want)
	}
}

// removeShards removes the files of the rows of all collections in dir.
func removeShards(t *testing.T, dir string) {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), "shard-") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no files of rows (%v)", err)
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHealthSaysThatACollectionCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	h := startDir(t, dir, Options{})
	h.collection(t, "bad")
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	removeShards(t, dir)
	h = startDir(t, dir, Options{})
	h.collection(t, "good")
	h.wantHealth(t, "", notServing)
	h.wantHealth(t, "collections/bad", notServing)
	h.wantHealth(t, "collections/good", serving)
	for _, service := range serviceNames {
		h.wantHealth(t, service, serving)
	}
	if logs := h.logs.String(); strings.Count(logs, "collection=bad") != 1 {
		t.Errorf("the log has %q, want one line of the bad collection", logs)
	}
	if _, err := h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "bad"}); err != nil {
		t.Fatal(err)
	}
	h.wantHealth(t, "", serving)
}

func TestHealthSaysThatAFileWasRemovedUnderTheServer(t *testing.T) {
	dir := t.TempDir()
	h := startDir(t, dir, Options{})
	h.collection(t, "docs")
	h.wantHealth(t, "collections/docs", serving)
	h.wantHealth(t, "", serving)
	removeShards(t, dir)
	h.wantHealth(t, "collections/docs", notServing)
	h.wantHealth(t, "", notServing)
	h.wantHealth(t, "hamnest.v1.SearchService", serving)
	stats, err := h.collections.GetCollectionStats(t.Context(), &hamnestv1.GetCollectionStatsRequest{Name: "docs"})
	if fault := stats.GetStats().GetFault(); err != nil || !strings.Contains(fault, "no longer there") || strings.Contains(fault, "storage: ") {
		t.Errorf("stats say %q (%v), want that the file is gone", fault, err)
	}
	check, err := h.admin.Check(t.Context(), &hamnestv1.CheckRequest{Collection: "docs"})
	if err != nil || !strings.Contains(strings.Join(check.GetProblems(), "\n"), "no longer there") {
		t.Errorf("check says %q (%v), want that the file is gone", check.GetProblems(), err)
	}
	if logs := h.logs.String(); strings.Count(logs, "collection=docs") != 1 || !strings.Contains(logs, "no longer there") {
		t.Errorf("the log has %q, want one line that says that the file is gone", logs)
	}
	_, err = h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: "docs", Vectors: []*hamnestv1.VectorRecord{{Id: "a", Vector: packed(slices.Repeat([]float32{1}, testDims)...)}}})
	wantCode(t, err, codes.FailedPrecondition)
}

func TestHealthIsWatched(t *testing.T) {
	dir := t.TempDir()
	h := startDir(t, dir, Options{})
	watch, err := healthpb.NewHealthClient(h.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "collections/docs"})
	if err != nil {
		t.Fatal(err)
	}
	next := func(when string, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if resp, err := watch.Recv(); err != nil || resp.GetStatus() != want {
			t.Fatalf("%s the collection is %v (%v), want %v", when, resp.GetStatus(), err, want)
		}
	}
	next("before it is made", unknown)
	h.collection(t, "docs")
	next("when it is made", serving)
	removeShards(t, dir)
	next("without its file", notServing)
	if _, err := h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "docs"}); err != nil {
		t.Fatal(err)
	}
	next("when it is dropped", unknown)
	h.collection(t, "docs")
	next("when it is made anew", serving)
	if err := h.server.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	next("when the server stops", notServing)
	_, err = watch.Recv()
	wantCode(t, err, codes.Unavailable)
}

func TestHealthListsServicesAndCollections(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	list, err := healthpb.NewHealthClient(h.conn).List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range append([]string{"", "collections/docs"}, serviceNames...) {
		if got := list.GetStatuses()[service].GetStatus(); got != serving {
			t.Errorf("service %q is %v, want SERVING", service, got)
		}
	}
	if got := len(list.GetStatuses()); got != 2+len(serviceNames) {
		t.Errorf("%d services are listed, want %d", got, 2+len(serviceNames))
	}
}
