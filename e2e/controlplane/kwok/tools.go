//go:build tools

// Pins kwok, which lets nodes and pods seem to run.
package tools

import _ "sigs.k8s.io/kwok/cmd/kwok"
