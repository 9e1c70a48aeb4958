// Hosts one plugin the way Go programs do, with the reference implementation of go-plugin, and tells on stdout what came of it:
// one JSON object. The argument is the plugin's program.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

type response struct {
	Status      int32             `json:"status"`
	Error       string            `json:"error"`
	ErrorSource string            `json:"errorSource"`
	Frames      []json.RawMessage `json:"frames"`
}

type report struct {
	Protocol  int                 `json:"protocol"`
	Ping      bool                `json:"ping"`
	Health    string              `json:"health"`
	Responses map[string]response `json:"responses"`
	Allowed   bool                `json:"allowed"`
	Metrics   string              `json:"metrics"`
	// What the plugin logged, by the host's reading of it.
	Logs     []map[string]any `json:"logs"`
	ExitCode int              `json:"exitCode"`
	Left     []string         `json:"left"`
}

func main() {
	told, err := host(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		os.Exit(1)
	}
}

func host(program string) (report, error) {
	told := report{Responses: map[string]response{}}
	sockets, err := os.MkdirTemp("", "sockets")
	if err != nil {
		return told, err
	}
	defer os.RemoveAll(sockets)
	logs, err := os.CreateTemp(sockets, "log")
	if err != nil {
		return told, err
	}
	command := exec.Command(program)
	command.Env = []string{"TMPDIR=" + sockets, "PATH=" + os.Getenv("PATH")}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: 2, MagicCookieKey: "grafana_plugin_type", MagicCookieValue: "datasource"},
		VersionedPlugins: map[int]plugin.PluginSet{2: {
			"data":        &grpcplugin.DataGRPCPlugin{},
			"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
			"admission":   &grpcplugin.AdmissionGRPCPlugin{},
		}},
		Cmd:              command,
		SkipHostEnv:      true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: logs, JSONFormat: true}),
		StartTimeout:     20 * time.Second,
	})
	err = ask(client, &told)
	client.Kill()
	if err != nil {
		return told, err
	}
	told.ExitCode = command.ProcessState.ExitCode()
	if told.Logs, err = read(logs.Name()); err != nil {
		return told, err
	}
	if err := os.Remove(logs.Name()); err != nil {
		return told, err
	}
	told.Left, err = filepath.Glob(filepath.Join(sockets, "*"))
	return told, err
}

func ask(client *plugin.Client, told *report) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	told.Protocol = client.NegotiatedVersion()
	told.Ping = protocol.Ping() == nil
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	raw, err := protocol.Dispense("diagnostics")
	if err != nil {
		return err
	}
	diagnostics := raw.(grpcplugin.DiagnosticsClient)
	health, err := diagnostics.CheckHealth(ctx, &pluginv2.CheckHealthRequest{})
	if err != nil {
		return fmt.Errorf("CheckHealth: %w", err)
	}
	told.Health = health.Status.String() + " " + health.Message

	raw, err = protocol.Dispense("data")
	if err != nil {
		return err
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	query := func(refID, text string) *pluginv2.DataQuery {
		return &pluginv2.DataQuery{
			RefId: refID, MaxDataPoints: 5, IntervalMS: 1000, Json: []byte(text),
			TimeRange: &pluginv2.TimeRange{FromEpochMS: from, ToEpochMS: from + 60000},
		}
	}
	answers, err := raw.(grpcplugin.DataClient).QueryData(ctx, &pluginv2.QueryDataRequest{
		PluginContext: &pluginv2.PluginContext{OrgId: 1, PluginId: "testdata", Namespace: "default"},
		Queries: []*pluginv2.DataQuery{
			query("A", `{"expr":"up","labels":{"job":"a<b"}}`), query("B", `{"scenario":"table"}`), query("C", `{"scenario":"error"}`),
		},
	})
	if err != nil {
		return fmt.Errorf("QueryData: %w", err)
	}
	for refID, answer := range answers.Responses {
		read := response{Status: answer.Status, Error: answer.Error, ErrorSource: answer.ErrorSource}
		for _, bytes := range answer.Frames {
			frame, err := data.UnmarshalArrowFrame(bytes)
			if err != nil {
				return fmt.Errorf("frame of %s: %w", refID, err)
			}
			text, err := frame.MarshalJSON()
			if err != nil {
				return err
			}
			read.Frames = append(read.Frames, text)
		}
		told.Responses[refID] = read
	}

	raw, err = protocol.Dispense("admission")
	if err != nil {
		return err
	}
	verdict, err := raw.(grpcplugin.AdmissionClient).ValidateAdmission(ctx, &pluginv2.AdmissionRequest{
		Operation: pluginv2.AdmissionRequest_CREATE, ObjectBytes: []byte(`{"spec":{"title":"a"}}`),
	})
	if err != nil {
		return fmt.Errorf("ValidateAdmission: %w", err)
	}
	told.Allowed = verdict.Allowed

	metrics, err := diagnostics.CollectMetrics(ctx, &pluginv2.CollectMetricsRequest{})
	if err != nil {
		return fmt.Errorf("CollectMetrics: %w", err)
	}
	told.Metrics = string(metrics.Metrics.Prometheus)
	return nil
}

func read(path string) ([]map[string]any, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := []map[string]any{}
	for decoder := json.NewDecoder(file); decoder.More(); {
		line := map[string]any{}
		if err := decoder.Decode(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}
