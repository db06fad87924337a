// Package bedtest is what tests in a bed share.
package bedtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/plane"
)

// Bin is the folder of the control plane's programs as util/cluster-build makes
// them; without them the test program ends.
func Bin() string {
	bin, err := filepath.Abs("../../../../build/cluster/bin")
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, plane.APIServer))
	}
	if err != nil {
		fmt.Println("util/cluster-build first:", err)
		os.Exit(1)
	}
	return bin
}

// Apply applies manifests, or ends the test.
func Apply(t *testing.T, b *bed.Bed, text string) {
	t.Helper()
	if err := b.Apply(context.Background(), text); err != nil {
		t.Fatal(err)
	}
}

// Until waits until f returns nil, or ends the test with its last error.
func Until(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	limit = max(limit, time.Minute) // that a machine is busy is no fault
	if err := bed.Until(context.Background(), limit, f); err != nil {
		t.Fatal(err)
	}
}
