package conformance

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

var (
	names = flag.Bool("names", false, "list the tests with their features and end")
	only  = flag.String("tests", "", "comma list of the tests to run, "+
		"whatever features are claimed; empty: all")
	claim = flag.String("claim", "class", `features taken as supported where no `+
		`other flag says: "class": those that the GatewayClass's status tells; `+
		`"standard": every one of a Gateway in the standard channel`)
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *names {
		list()
		return
	}
	os.Exit(m.Run())
}

// ofMesh tells a test that is about a mesh, and not a Gateway.
func ofMesh(t suite.ConformanceTest) bool {
	return slices.Contains(t.Features, features.SupportMesh)
}

// list prints the tests: name, features, and what the suite says of it.
func list() {
	for _, t := range tests.ConformanceTests {
		if ofMesh(t) {
			continue
		}
		var f []string
		for _, n := range t.Features {
			f = append(f, string(n))
		}
		slices.Sort(f)
		for _, x := range []struct {
			is   bool
			text string
		}{{t.Provisional, "(provisional)"}, {t.Parallel, "(parallel)"}} {
			if x.is {
				f = append(f, x.text)
			}
		}
		fmt.Printf("%-70s %s\n", t.ShortName, strings.Join(f, " "))
	}
}

// gatewayFeatures are all of a Gateway, none of a mesh, in a channel.
func gatewayFeatures(channel features.FeatureChannel) (l []features.FeatureName) {
	mesh := features.MeshCoreFeatures.Union(features.MeshExtendedFeatures)
	for f := range features.AllFeatures.Difference(mesh) {
		if f.Channel == channel {
			l = append(l, f.Name)
		}
	}
	return l
}

// choose leaves the named tests, and claims their features.
func choose(t *testing.T, o *suite.ConformanceOptions, names []string) {
	var chosen []suite.ConformanceTest
	for _, n := range names {
		i := slices.IndexFunc(tests.ConformanceTests,
			func(c suite.ConformanceTest) bool { return c.ShortName == n })
		if i < 0 {
			t.Fatalf("there is no test %q", n)
		}
		chosen = append(chosen, tests.ConformanceTests[i])
		o.SupportedFeatures = append(o.SupportedFeatures,
			tests.ConformanceTests[i].Features...)
	}
	tests.ConformanceTests = chosen
}

// options are the suite's, from its flags and the ones here.
func options(t *testing.T) suite.ConformanceOptions {
	o := conformance.DefaultOptions(t)
	if *claim == "standard" {
		o.SupportedFeatures = append(o.SupportedFeatures,
			gatewayFeatures(features.FeatureChannelStandard)...)
	}
	if *only != "" {
		choose(t, &o, strings.Split(*only, ","))
	} else {
		tests.ConformanceTests = slices.DeleteFunc(
			slices.Clone(tests.ConformanceTests), ofMesh)
	}
	return o
}

// TestConformance runs the suite.
func TestConformance(t *testing.T) {
	conformance.RunConformanceWithOptions(t, options(t))
}
