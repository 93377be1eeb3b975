package index

import (
	"github.com/hamnest/hamnest/index/api"
)

// Spec and the types below are those of package api, which servers and clients share.
type (
	Spec              = api.Spec
	Info              = api.Info
	Change            = api.Change
	Alias             = api.Alias
	Stats             = api.Stats
	RewriteStats      = api.RewriteStats
	LiveStats         = api.LiveStats
	CheckReport       = api.CheckReport
	Record            = api.Record
	RecordError       = api.RecordError
	ReadOptions       = api.ReadOptions
	Query             = api.Query
	Rescore           = api.Rescore
	Plan              = api.Plan
	Hit               = api.Hit
	Result            = api.Result
	Receipt           = api.Receipt
	Budget            = api.Budget
	CalibrateOptions  = api.CalibrateOptions
	Calibration       = api.Calibration
	CalibrationSource = api.CalibrationSource
	Setting           = api.Setting
	InvalidError      = api.InvalidError
	Violation         = api.Violation
)

// Limits, defaults and names: see package api.
const (
	MaxLabels                 = api.MaxLabels
	RescoreAuto               = api.RescoreAuto
	RescoreNone               = api.RescoreNone
	RescoreCodes              = api.RescoreCodes
	RescoreVectors            = api.RescoreVectors
	PlanScan                  = api.PlanScan
	PlanExact                 = api.PlanExact
	PlanGather                = api.PlanGather
	DefaultTargetRecall       = api.DefaultTargetRecall
	DefaultOversampling       = api.DefaultOversampling
	MinDefaultCandidates      = api.MinDefaultCandidates
	MaxDefaultCandidates      = api.MaxDefaultCandidates
	DefaultCalibrationQueries = api.DefaultCalibrationQueries
	DefaultCalibrationK       = api.DefaultCalibrationK
	MaxCalibrationK           = api.MaxCalibrationK
	SourceGiven               = api.SourceGiven
	SourceStored              = api.SourceStored
	SourceLive                = api.SourceLive
)

// NewBudget returns a budget of the given number of bytes.
func NewBudget(bytes int64) *Budget { return api.NewBudget(bytes) }

// Errors to test for with errors.Is: see package api.
var (
	ErrNotFound    = api.ErrNotFound
	ErrExists      = api.ErrExists
	ErrClosed      = api.ErrClosed
	ErrFull        = api.ErrFull
	ErrRewriting   = api.ErrRewriting
	ErrCodesOnly   = api.ErrCodesOnly
	ErrCalibrating = api.ErrCalibrating
	ErrEmpty       = api.ErrEmpty
	ErrTooLarge    = api.ErrTooLarge
	ErrLocked      = api.ErrLocked
	ErrCorrupt     = api.ErrCorrupt
	ErrReadOnly    = api.ErrReadOnly
	ErrGone        = api.ErrGone
	ErrOrphans     = api.ErrOrphans
	ErrAliased     = api.ErrAliased
	ErrVersion     = api.ErrVersion
)
