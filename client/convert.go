package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Names are sent as the numbers of the enums, whose own names are the same behind
// a prefix, with _ between words. A name that this client does not know is refused
// before it is sent; a number that it does not know, of a newer server, comes out as
// the enum writes it.

func metricToProto(req *request, m Metric) hamnestv1.Metric {
	return hamnestv1.Metric(enumNumber(req, "collection.metric", "METRIC_", "_", string(m), hamnestv1.Metric_value))
}

func metricFromProto(m hamnestv1.Metric) Metric {
	return Metric(enumName("METRIC_", "_", m.String()))
}

func profileToProto(req *request, p Profile) hamnestv1.Profile {
	return hamnestv1.Profile(enumNumber(req, "collection.profile", "PROFILE_", "_", string(p), hamnestv1.Profile_value))
}

func profileFromProto(p hamnestv1.Profile) Profile {
	return Profile(enumName("PROFILE_", "_", p.String()))
}

func precisionToProto(req *request, p Precision) hamnestv1.Precision {
	return hamnestv1.Precision(enumNumber(req, "collection.store", "PRECISION_", "_", string(p), hamnestv1.Precision_value))
}

func precisionFromProto(p hamnestv1.Precision) Precision {
	return Precision(enumName("PRECISION_", "_", p.String()))
}

func dialectToProto(req *request, field string, d Dialect) hamnestv1.Dialect {
	return hamnestv1.Dialect(enumNumber(req, field, "DIALECT_", "-", string(d), hamnestv1.Dialect_value))
}

func dialectFromProto(d hamnestv1.Dialect) Dialect {
	return Dialect(enumName("DIALECT_", "-", d.String()))
}

func rescoreToProto(req *request, field string, r Rescore) hamnestv1.Rescore {
	return hamnestv1.Rescore(enumNumber(req, field, "RESCORE_", "_", string(r), hamnestv1.Rescore_value))
}

func rescoreFromProto(r hamnestv1.Rescore) Rescore {
	return Rescore(enumName("RESCORE_", "_", r.String()))
}

// unspecified is the name of every enum's zero, which is the empty name here.
const unspecified = "unspecified"

// enumNumber returns the number of a name whose words separator stands between.
func enumNumber(req *request, field, prefix, separator, name string, numbers map[string]int32) int32 {
	if name == "" {
		return 0
	}
	long := prefix + strings.ToUpper(strings.ReplaceAll(name, separator, "_"))
	number, ok := numbers[long]
	if !ok || number == 0 || name != enumName(prefix, separator, long) {
		req.refuse(field, fmt.Sprintf("is %q, which has no meaning here", name))
	}
	return number
}

func enumName(prefix, separator, long string) string {
	name := strings.ToLower(strings.TrimPrefix(long, prefix))
	if name == unspecified {
		return ""
	}
	return strings.ReplaceAll(name, "_", separator)
}

func labelsToProto(req *request, labels map[string]string) map[string]string {
	for k, v := range labels {
		req.text("collection.labels", k)
		req.text("collection.labels", v)
	}
	return labels
}

func collectionFromProto(c *hamnestv1.Collection) Collection {
	if c == nil {
		return Collection{}
	}
	var created time.Time
	if c.GetCreateTime() != nil {
		created = c.GetCreateTime().AsTime()
	}
	return Collection{
		Name:               c.GetName(),
		Dims:               int(c.GetDims()),
		Ladder:             mapSlice(c.GetLadder(), func(step uint32) int { return int(step) }),
		Bits:               int(c.GetBits()),
		Metric:             metricFromProto(c.GetMetric()),
		Profile:            profileFromProto(c.GetProfile()),
		Store:              precisionFromProto(c.GetStore()),
		Labels:             c.GetLabels(),
		ProfileInForce:     profileFromProto(c.GetProfileInForce()),
		ProfileFingerprint: c.GetProfileFingerprint(),
		Created:            created,
	}
}

// vectorToProto returns v as little-endian bytes, 4 a component, in new memory.
func vectorToProto(v []float32) *hamnestv1.Vector {
	packed := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(packed[4*i:], math.Float32bits(x))
	}
	return &hamnestv1.Vector{Float32Le: packed}
}

// vectorFromProto returns v's components, in either of its forms.
func vectorFromProto(v *hamnestv1.Vector) []float32 {
	packed := v.GetFloat32Le()
	if len(packed) == 0 {
		return v.GetValues()
	}
	vector := make([]float32, len(packed)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(packed[4*i:]))
	}
	return vector
}

// codeToProto returns c with its bytes as they are.
func codeToProto(req *request, field string, c *Code) *hamnestv1.Code {
	return &hamnestv1.Code{Packed: c.Packed, Dialect: dialectToProto(req, field, c.Dialect)}
}

// recordToProto returns r in memory of its own.
func recordToProto(r Record) *hamnestv1.VectorRecord {
	message := &hamnestv1.VectorRecord{Id: r.ID, Metadata: string(r.Metadata)}
	if r.Code != nil {
		var unknown request // badRecord has looked at the dialect
		message.Code = codeToProto(&unknown, "code", &Code{Packed: bytes.Clone(r.Code.Packed), Dialect: r.Code.Dialect})
	}
	if r.Code == nil || r.Vector != nil {
		message.Vector = vectorToProto(r.Vector)
	}
	return message
}

func recordFromProto(r *hamnestv1.VectorRecord) Record {
	record := Record{ID: r.GetId(), Vector: vectorFromProto(r.GetVector()), Metadata: metadataFromProto(r.GetMetadata())}
	if c := r.GetCode(); c != nil {
		record.Code = &Code{Packed: c.GetPacked(), Dialect: dialectFromProto(c.GetDialect())}
	}
	return record
}

func metadataFromProto(metadata string) []byte {
	if metadata == "" {
		return nil
	}
	return []byte(metadata)
}

// badText says why gRPC cannot send s, or nothing if it can.
func badText(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return "is not valid UTF-8"
}

// badRecord says which field of r gRPC cannot send and why, or nothing.
func badRecord(r Record) (field, reason string) {
	if reason := badText(r.ID); reason != "" {
		return "id", reason
	}
	if !utf8.Valid(r.Metadata) {
		return "metadata", badText(string(r.Metadata))
	}
	if r.Code != nil {
		var req request
		if dialectToProto(&req, "", r.Code.Dialect); req.err() != nil {
			return "code", fmt.Sprintf("is in dialect %q, which has no meaning here", r.Code.Dialect)
		}
	}
	return "", ""
}

// searchToProto returns s without a collection. path is that of the request, such
// as "requests[3].", and empty for a search alone.
func searchToProto(req *request, path string, s SearchRequest) *hamnestv1.SearchRequest {
	message := &hamnestv1.SearchRequest{
		K:            req.uint32(path+"k", s.K),
		Dims:         req.uint32(path+"dims", s.Dims),
		Rescore:      rescoreToProto(req, path+"rescore", s.Rescore),
		Exact:        s.Exact,
		MinScore:     s.MinScore,
		PageToken:    req.text(path+"page_token", s.PageToken),
		WithVector:   s.WithVector,
		WithMetadata: s.WithMetadata,
	}
	given := 0
	for _, is := range []bool{s.Vector != nil, s.ID != "", s.Code != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		req.refuse(path+"query", "has more than one of vector, id and code, want one of them")
	case s.Vector != nil:
		message.Query = &hamnestv1.SearchRequest_Vector{Vector: vectorToProto(s.Vector)}
	case s.ID != "":
		message.Query = &hamnestv1.SearchRequest_Id{Id: req.text(path+"id", s.ID)}
	case s.Code != nil:
		message.Query = &hamnestv1.SearchRequest_Code{Code: codeToProto(req, path+"code.dialect", s.Code)}
	}
	switch {
	case s.Candidates != 0 && s.Oversampling != 0:
		req.refuse(path+"first_stage", "has both candidates and oversampling, want one of them at most")
	case s.Candidates != 0:
		message.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: req.uint32(path+"candidates", s.Candidates)}
	case s.Oversampling != 0:
		message.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: s.Oversampling}
	}
	if s.TargetRecall != 0 {
		message.TargetRecall = &s.TargetRecall
	}
	if s.Bound != 0 {
		message.Bound = &s.Bound
	}
	return message
}

func resultFromProto(r *hamnestv1.SearchResponse) *SearchResult {
	return &SearchResult{
		Hits:          mapSlice(r.GetHits(), hitFromProto),
		NextPageToken: r.GetNextPageToken(),
		Receipt:       receiptFromProto(r.GetReceipt()),
	}
}

func hitFromProto(h *hamnestv1.Hit) Hit {
	return Hit{ID: h.GetId(), Score: h.GetScore(), Vector: vectorFromProto(h.GetVector()), Metadata: metadataFromProto(h.GetMetadata())}
}

func receiptFromProto(r *hamnestv1.Receipt) Receipt {
	return Receipt{
		Dims:               int(r.GetDims()),
		TargetRecall:       r.GetTargetRecall(),
		Bound:              r.GetBound(),
		ExpectedRecall:     r.GetExpectedRecall(),
		Rescore:            rescoreFromProto(r.GetRescore()),
		Exact:              r.GetExact(),
		Kernel:             r.GetKernel(),
		ProfileFingerprint: r.GetProfileFingerprint(),
		RowsScanned:        r.GetRowsScanned(),
		Passes:             int(r.GetPasses()),
		Candidates:         int(r.GetCandidates()),
		Refined:            int(r.GetRefined()),
		CodeBytesRead:      r.GetCodeBytesRead(),
		VectorsRead:        r.GetVectorsRead(),
		VectorBytesRead:    r.GetVectorBytesRead(),
		Scan:               r.GetScanTime().AsDuration(),
		Refine:             r.GetRefineTime().AsDuration(),
		RescoreTime:        r.GetRescoreTime().AsDuration(),
		Total:              r.GetTotalTime().AsDuration(),
	}
}

// mapSlice returns f of each element.
func mapSlice[S, T any](in []S, f func(S) T) []T {
	if len(in) == 0 {
		return nil
	}
	out := make([]T, len(in))
	for i, element := range in {
		out[i] = f(element)
	}
	return out
}
