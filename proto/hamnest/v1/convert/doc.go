// Package convert turns the types of package api into messages of hamnest.v1 and back, for both
// sides of the wire.
//
// XToProto makes a message from an X, and XFromProto an X from a message. A message from a
// stranger may hold anything. A FromProto that a server uses on requests, or a client on
// answers, reports values without meaning as an error, or adds them to [Violations] by their
// path in the request. It leaves every rule that the engine knows to the engine. A ToProto that
// a client uses on arguments reports what cannot be sent in the same way.
package convert
