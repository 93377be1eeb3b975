// Package cascade searches by codes, in three stages:
//
//   - S1, the scan, ranks all rows by the upper bound of their scores and keeps some.
//   - S2 compares those with the query by their whole codes, in order of the bound.
//   - S3 reads vectors in order of the bound that the whole codes give.
//
// The same rule (rule.go) judges each cut, that of the scan's blocks and that of the codes: S2
// and S3 go on while a row beyond the cut could still be among the hits, and if S1 has not kept
// enough, another pass collects every row that could.
package cascade
