//go:build !sdk2023

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
)

func manageOptions() datasource.ManageOpts {
	return datasource.ManageOpts{
		AdmissionHandler:       admission{},
		ConversionHandler:      conversion{},
		QueryConversionHandler: queryConversion(),
	}
}

func configOf(config *backend.GrafanaCfg) map[string]string { return config.Config() }

func placeOf(pluginContext backend.PluginContext) (namespace, apiVersion string) {
	return pluginContext.Namespace, pluginContext.APIVersion
}

func downstreamError(err error) error { return backend.DownstreamError(err) }

func headersOfSubscription(req *backend.SubscribeStreamRequest) map[string]string { return req.Headers }

// Each query gives two frames of two chunks, then, if its type says so, an error; that for parts what it gives in one answer.
func (i *instance) QueryChunkedData(ctx context.Context, req *backend.QueryChunkedDataRequest, w backend.ChunkedDataWriter) error {
	for _, query := range req.Queries {
		if query.QueryType == "parts" {
			if err := writeParts(ctx, query, w); err != nil {
				return err
			}
			continue
		}
		for _, frameID := range []string{"x", "y"} {
			for n := 0; n < 2; n++ {
				if err := w.WriteFrame(ctx, query.RefID, frameID, timeSeries(query, n+1)); err != nil {
					return err
				}
			}
		}
		switch query.QueryType {
		case "plain-error":
			if err := w.WriteError(ctx, query.RefID, backend.StatusTooManyRequests, errors.New("the database is busy")); err != nil {
				return err
			}
		case "fail":
			return errors.New("the chunks failed")
		case "slow":
			<-ctx.Done()
			counters.cancelled.Add(1)
			return ctx.Err()
		}
	}
	return nil
}

func writeParts(ctx context.Context, query backend.DataQuery, w backend.ChunkedDataWriter) error {
	if err := w.WriteFrame(ctx, query.RefID, "all", everyType(query)); err != nil {
		return err
	}
	rows, size := int(query.MaxDataPoints), 1000
	for _, frameID := range []string{"x", "y"} {
		for begin := 0; begin == 0 || begin < rows; begin += size {
			if err := w.WriteFrame(ctx, query.RefID, frameID, part(query, begin, min(begin+size, rows), rows)); err != nil {
				return err
			}
		}
	}
	return nil
}

type admission struct{}

type object struct {
	Metadata map[string]any `json:"metadata"`
	Spec     map[string]any `json:"spec"`
}

func (admission) ValidateAdmission(_ context.Context, req *backend.AdmissionRequest) (*backend.ValidationResponse, error) {
	if req.Operation == backend.AdmissionRequestDelete {
		return &backend.ValidationResponse{Allowed: len(req.ObjectBytes) == 0 && len(req.OldObjectBytes) > 0}, nil
	}
	var given object
	if err := json.Unmarshal(req.ObjectBytes, &given); err != nil {
		return nil, err
	}
	if message, isBad := given.Spec["refuse"].(string); isBad {
		return &backend.ValidationResponse{
			Result:   &backend.StatusResult{Status: "Failure", Message: message, Reason: "Invalid", Code: 422},
			Warnings: []string{"think again"},
		}, nil
	}
	told := fmt.Sprintf("%d %s/%s/%s %s", req.Operation, req.Kind.Group, req.Kind.Version, req.Kind.Kind, req.PluginContext.Namespace)
	return &backend.ValidationResponse{Allowed: true, Warnings: []string{told}}, nil
}

func (admission) MutateAdmission(_ context.Context, req *backend.AdmissionRequest) (*backend.MutationResponse, error) {
	var given map[string]any
	if err := json.Unmarshal(req.ObjectBytes, &given); err != nil {
		return nil, err
	}
	spec, _ := given["spec"].(map[string]any)
	if _, isBad := spec["refuse"]; isBad {
		return &backend.MutationResponse{
			Result: &backend.StatusResult{Status: "Failure", Message: "not this one", Reason: "Forbidden", Code: 403},
		}, nil
	}
	if req.Kind.Kind == "Widget" {
		if spec["colour"] == nil {
			spec["colour"] = "red"
		}
	} else {
		given["spec"] = map[string]any{"mutated": true, "had": len(spec)}
	}
	bytes, err := json.Marshal(given)
	return &backend.MutationResponse{Allowed: true, ObjectBytes: bytes}, err
}
