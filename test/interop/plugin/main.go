// A data source that does what its caller tells it to, and tells what it was called with. It is built twice: with today's plugin
// SDK, and, with the tag sdk2023, with one of 2023.
package main

import (
	"context"
	"encoding/json"
	"os"
	"sync/atomic"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Set by the linker, so that two builds of one source can be told apart.
var build = "1"

// What happened in this process so far.
var counters struct{ instances, disposed, cancelled atomic.Int64 }

var queriesTotal = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "interop_queries_total",
	Help: "Queries by type.",
}, []string{"type"})

// One data source as configured. The SDK makes a new one whenever its settings change.
type instance struct {
	number   int64
	settings backend.DataSourceInstanceSettings
}

func newInstance(_ context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	number := counters.instances.Add(1)
	backend.Logger.Info("new instance", "number", number, "uid", settings.UID)
	return &instance{number: number, settings: settings}, nil
}

func (i *instance) Dispose() { counters.disposed.Add(1) }

// What the plugin sees of a call.
type seen struct {
	Build       string            `json:"build"`
	Pid         int               `json:"pid"`
	Instance    int64             `json:"instance"`
	Instances   int64             `json:"instances"`
	OrgID       int64             `json:"orgId"`
	PluginID    string            `json:"pluginId"`
	Version     string            `json:"pluginVersion"`
	UserAgent   string            `json:"userAgent"`
	Grafana     string            `json:"grafanaVersion"`
	User        *backend.User     `json:"user"`
	Config      map[string]string `json:"grafanaConfig"`
	Namespace   string            `json:"namespace"`
	APIVersion  string            `json:"apiVersion"`
	DataSource  *dataSource       `json:"dataSource"`
	Environment map[string]string `json:"environment"`
}

type dataSource struct {
	ID            int64             `json:"id"`
	UID           string            `json:"uid"`
	Type          string            `json:"type"`
	Name          string            `json:"name"`
	URL           string            `json:"url"`
	User          string            `json:"user"`
	Database      string            `json:"database"`
	BasicAuth     bool              `json:"basicAuthEnabled"`
	BasicAuthUser string            `json:"basicAuthUser"`
	JSONData      json.RawMessage   `json:"jsonData"`
	Secrets       map[string]string `json:"secrets"`
	UpdatedMS     int64             `json:"updatedMS"`
}

func (i *instance) see(pluginContext backend.PluginContext) seen {
	told := seen{
		Build:     build,
		Pid:       os.Getpid(),
		Instance:  i.number,
		Instances: counters.instances.Load(),
		OrgID:     pluginContext.OrgID,
		PluginID:  pluginContext.PluginID,
		Version:   pluginContext.PluginVersion,
		User:      pluginContext.User,
		Config:    configOf(pluginContext.GrafanaConfig),
		Environment: map[string]string{
			"GF_PLUGIN_MAX_ROWS":    os.Getenv("GF_PLUGIN_MAX_ROWS"),
			"INTEROP_HOST_SECRET":   os.Getenv("INTEROP_HOST_SECRET"),
			"grafana_plugin_type":   os.Getenv("grafana_plugin_type"),
			"PLUGIN_MULTIPLEX_GRPC": os.Getenv("PLUGIN_MULTIPLEX_GRPC"),
			"PLUGIN_CLIENT_CERT":    os.Getenv("PLUGIN_CLIENT_CERT"),
		},
	}
	if pluginContext.UserAgent != nil {
		told.UserAgent = pluginContext.UserAgent.String()
		told.Grafana = pluginContext.UserAgent.GrafanaVersion()
	}
	told.Namespace, told.APIVersion = placeOf(pluginContext)
	if s := pluginContext.DataSourceInstanceSettings; s != nil {
		told.DataSource = &dataSource{s.ID, s.UID, s.Type, s.Name, s.URL, s.User, s.Database, s.BasicAuthEnabled,
			s.BasicAuthUser, s.JSONData, s.DecryptedSecureJSONData, s.Updated.UnixMilli()}
	}
	return told
}

func main() {
	if err := datasource.Manage("interop", newInstance, manageOptions()); err != nil {
		backend.Logger.Error(err.Error())
		os.Exit(1)
	}
}
