package api

import "regexp"

// inside matches what errors say only for programmers: the package that an error comes from, or
// the status that came over the wire.
var inside = regexp.MustCompile(`(^|[:;(] )((index|storage|attr|filter|codes|encoder|code|rotation|basis|hamming|dense|topk|server|client|npy|synthetic|machine): )+|rpc error: code = \w+ desc = `)

// Plain returns the text of an error for people who do not know the packages of the program.
func Plain(text string) string { return inside.ReplaceAllString(text, "$1") }
