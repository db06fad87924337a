// Package conformance is the Gateway API project's conformance suite as a test
// binary, util/conformance's.  The module also pins the suite's echo-basic and,
// by the module sigs.k8s.io/gateway-api, the CRDs (its folder config/crd).
package conformance
