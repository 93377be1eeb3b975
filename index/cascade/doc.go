// Package cascade searches by codes, in three stages:
//
//   - S1, the scan, ranks all rows by the upper bound of their scores and keeps some.
//   - S2 compares those with the query by their whole codes, in the order of the bound.
//   - S3 reads vectors in the order of the bound that the whole codes give.
//
// Each cut, that of the scan's blocks and that of the codes, is judged by the same rule
// (rule.go): S2 and S3 go on while a row beyond could still be among the hits, and when S1
// has not kept enough, a second pass collects what could.
package cascade
