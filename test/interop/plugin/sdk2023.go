//go:build sdk2023

package main

import (
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
)

func manageOptions() datasource.ManageOpts { return datasource.ManageOpts{} }

// This SDK gives no whole map.
func configOf(config *backend.GrafanaCfg) map[string]string {
	return map[string]string{"GF_APP_URL": config.Get("GF_APP_URL")}
}

func placeOf(backend.PluginContext) (namespace, apiVersion string) { return "", "" }

func downstreamError(err error) error { return err }

func headersOfSubscription(*backend.SubscribeStreamRequest) map[string]string { return nil }
