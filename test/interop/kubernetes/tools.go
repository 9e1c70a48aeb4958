//go:build tools

// Names the programs that are built of other people's modules, as they are; nothing here is compiled.
package kubernetes

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
