//go:build !sdk2023

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

type conversion struct{}

// Things of v1 have a size, those of v2 a list of sizes; what says how it shall fail fails so.
func (conversion) ConvertObjects(_ context.Context, req *backend.ConversionRequest) (*backend.ConversionResponse, error) {
	if req.TargetVersion.Version == "v9" {
		return &backend.ConversionResponse{
			UID:    req.UID,
			Result: &backend.StatusResult{Status: "Failure", Message: "no version v9", Reason: "BadRequest", Code: 400},
		}, nil
	}
	res := &backend.ConversionResponse{UID: req.UID, Result: &backend.StatusResult{Status: "Success"}}
	for _, raw := range req.Objects {
		given, err := readObject(raw.Raw)
		if err != nil {
			return nil, err
		}
		given["apiVersion"] = req.TargetVersion.Group + "/" + req.TargetVersion.Version
		if spec, isThing := given["spec"].(map[string]any); isThing {
			if message, isBad := spec["fail"].(string); isBad {
				return nil, fmt.Errorf("%s", message)
			}
			resize(spec, req.TargetVersion.Version)
		}
		text, err := json.Marshal(given)
		if err != nil {
			return nil, err
		}
		res.Objects = append(res.Objects, backend.RawObject{Raw: text, ContentType: raw.ContentType})
	}
	return res, nil
}

// Numbers as they are written: float64 would round them.
func readObject(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var given map[string]any
	return given, decoder.Decode(&given)
}

func resize(spec map[string]any, version string) {
	if sizes, isList := spec["sizes"].([]any); isList && version == "v1" {
		delete(spec, "sizes")
		spec["size"] = sizes[0]
	} else if size, isOne := spec["size"]; isOne && version == "v2" {
		delete(spec, "size")
		spec["sizes"] = []any{size}
	}
}

// With a handler for queries the SDK takes every object for a query request: a plugin that converts queries converts nothing else.
func queryConversion() backend.QueryConversionHandler {
	if os.Getenv("GF_PLUGIN_CONVERTS") != "queries" {
		return nil
	}
	return backend.ConvertQueryFunc(func(_ context.Context, req *backend.QueryDataRequest) (*backend.QueryConversionResponse, error) {
		res := &backend.QueryConversionResponse{}
		for _, query := range req.Queries {
			given, err := readObject(query.JSON)
			if err != nil {
				return nil, fmt.Errorf("query %s has no JSON: %w", query.RefID, err)
			}
			given["expr"] = given["query"]
			delete(given, "query")
			if query.JSON, err = json.Marshal(given); err != nil {
				return nil, err
			}
			res.Queries = append(res.Queries, query)
		}
		return res, nil
	})
}
