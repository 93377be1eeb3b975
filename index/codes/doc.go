// Package codes keeps the codes of a collection in memory, and says which rows a pass may find.
//
// A [Layout] says where the parts of a row lie. Rows lie in segments, which a [Builder] fills
// and which never move. A [View] is the rows as of one commit, and a [Set] is some rows of a
// view.
//
// Rows are written once, before the first view that has them is published, and never again, so
// any number of readers share a view without locks.
package codes
