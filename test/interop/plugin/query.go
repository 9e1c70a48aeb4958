package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

func (i *instance) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	res := backend.NewQueryDataResponse()
	for _, query := range req.Queries {
		queriesTotal.WithLabelValues(query.QueryType).Inc()
		answer, err := i.answer(ctx, req, query)
		if err != nil {
			return nil, err
		}
		res.Responses[query.RefID] = answer
	}
	return res, nil
}

// An error ends the whole call; that of one query is part of its answer.
func (i *instance) answer(ctx context.Context, req *backend.QueryDataRequest, query backend.DataQuery) (backend.DataResponse, error) {
	switch query.QueryType {
	case "echo":
		return i.echo(req, query)
	case "frames":
		return backend.DataResponse{Frames: data.Frames{everyType(query), timeSeries(query, 3), data.NewFrame("")}}, nil
	case "rows":
		return backend.DataResponse{Frames: data.Frames{timeSeries(query, int(query.MaxDataPoints))}}, nil
	case "parts":
		rows := int(query.MaxDataPoints)
		return backend.DataResponse{Frames: data.Frames{everyType(query), part(query, 0, rows, rows), part(query, 0, rows, rows)}}, nil
	case "no-frames":
		return backend.DataResponse{}, nil
	case "plugin-error":
		return backend.ErrDataResponseWithSource(backend.StatusBadRequest, backend.ErrorSourcePlugin, "no such column"), nil
	case "downstream-error":
		return backend.ErrDataResponseWithSource(backend.StatusTooManyRequests, backend.ErrorSourceDownstream, "the database is busy"), nil
	case "plain-error":
		return backend.DataResponse{Error: errors.New("something went wrong")}, nil
	case "partial":
		return backend.DataResponse{
			Frames: data.Frames{timeSeries(query, 2)}, Error: errors.New("only half of it"), Status: backend.StatusTimeout,
		}, nil
	case "fail":
		return backend.DataResponse{}, errors.New("the handler failed")
	case "fail-downstream":
		return backend.DataResponse{}, downstreamError(errors.New("the database is gone"))
	case "panic":
		panic("the handler panicked")
	case "die":
		go func() { panic("a goroutine panicked") }()
		<-ctx.Done()
		return backend.DataResponse{}, ctx.Err()
	case "exit":
		os.Exit(7)
		return backend.DataResponse{}, nil
	case "slow":
		return i.slow(ctx, query)
	case "bytes":
		return backend.DataResponse{Frames: data.Frames{ofBytes(query)}}, nil
	}
	return backend.ErrDataResponseWithSource(backend.StatusBadRequest, backend.ErrorSourcePlugin, "unknown query type "+query.QueryType), nil
}

// One text field of one row: what the plugin was told, as JSON.
func (i *instance) echo(req *backend.QueryDataRequest, query backend.DataQuery) (backend.DataResponse, error) {
	text, err := json.Marshal(map[string]any{
		"context": i.see(req.PluginContext),
		"headers": req.Headers,
		"http":    req.GetHTTPHeaders(),
		"query": map[string]any{
			"refId":         query.RefID,
			"queryType":     query.QueryType,
			"maxDataPoints": query.MaxDataPoints,
			"intervalMs":    query.Interval.Milliseconds(),
			"fromMs":        query.TimeRange.From.UnixMilli(),
			"toMs":          query.TimeRange.To.UnixMilli(),
			"json":          query.JSON,
		},
	})
	if err != nil {
		return backend.DataResponse{}, err
	}
	return backend.DataResponse{Frames: data.Frames{data.NewFrame("echo", data.NewField("echo", nil, []string{string(text)}))}}, nil
}

// Waits until the caller has enough, or for the milliseconds that the query names.
func (i *instance) slow(ctx context.Context, query backend.DataQuery) (backend.DataResponse, error) {
	var wanted struct {
		Ms int64 `json:"ms"`
	}
	if err := json.Unmarshal(query.JSON, &wanted); err != nil {
		return backend.DataResponse{}, err
	}
	backend.Logger.Info("slow query begins", "refId", query.RefID)
	select {
	case <-time.After(time.Duration(wanted.Ms) * time.Millisecond):
		return backend.DataResponse{Frames: data.Frames{timeSeries(query, 1)}}, nil
	case <-ctx.Done():
		counters.cancelled.Add(1)
		backend.Logger.Info("slow query cancelled", "refId", query.RefID, "reason", ctx.Err().Error())
		return backend.DataResponse{}, ctx.Err()
	}
}

// A frame of about as many bytes as maxDataPoints says.
func ofBytes(query backend.DataQuery) *data.Frame {
	values := make([]float64, query.MaxDataPoints/8)
	for n := range values {
		values[n] = float64(n) + 0.5
	}
	return data.NewFrame("bytes", data.NewField("value", nil, values))
}

func timeSeries(query backend.DataQuery, rows int) *data.Frame { return part(query, 0, rows, rows) }

// The rows before end, of a series of so many.
func part(query backend.DataQuery, begin, end, rows int) *data.Frame {
	times := make([]time.Time, end-begin)
	values := make([]float64, end-begin)
	for n := range times {
		times[n] = query.TimeRange.From.Add(time.Duration(begin+n) * time.Second).UTC()
		values[n] = float64(begin+n) / 4
	}
	frame := data.NewFrame("series",
		data.NewField("time", nil, times),
		data.NewField("value", data.Labels{"host": "a<b", "job": "ü"}, values).SetConfig(&data.FieldConfig{Unit: "s", DisplayName: "load"}),
	)
	frame.SetMeta(&data.FrameMeta{
		Type:                   data.FrameTypeTimeSeriesMulti,
		TypeVersion:            data.FrameTypeVersion{0, 1},
		ExecutedQueryString:    "select 1 -- <&>",
		Notices:                []data.Notice{{Severity: data.NoticeSeverityWarning, Text: "sampled"}},
		PreferredVisualization: data.VisTypeGraph,
		Custom:                 map[string]any{"rows": rows},
	})
	return frame
}

func pointer[T any](value T) *T { return &value }

func everyType(query backend.DataQuery) *data.Frame {
	at := query.TimeRange.From.UTC()
	return data.NewFrame("every type",
		data.NewField("time", nil, []time.Time{at, at.Add(1500 * time.Microsecond), at.Add(time.Hour)}),
		data.NewField("time?", nil, []*time.Time{&at, nil, pointer(at.Add(7))}),
		data.NewField("float64", nil, []float64{math.NaN(), math.Inf(1), -0.5}),
		data.NewField("float64?", nil, []*float64{nil, pointer(math.Inf(-1)), pointer(1e300)}),
		data.NewField("float32", nil, []float32{0.25, float32(math.NaN()), 3}),
		data.NewField("int8", nil, []int8{math.MinInt8, 0, math.MaxInt8}),
		data.NewField("int16?", nil, []*int16{nil, pointer[int16](math.MinInt16), pointer[int16](math.MaxInt16)}),
		data.NewField("int32", nil, []int32{math.MinInt32, 0, math.MaxInt32}),
		data.NewField("int64", nil, []int64{math.MinInt64, 0, math.MaxInt64}),
		data.NewField("int64?", nil, []*int64{pointer[int64](1 << 53), nil, pointer[int64](1<<53 + 1)}),
		data.NewField("uint8", nil, []uint8{0, 1, math.MaxUint8}),
		data.NewField("uint16", nil, []uint16{0, 1, math.MaxUint16}),
		data.NewField("uint32?", nil, []*uint32{nil, pointer[uint32](1), pointer[uint32](math.MaxUint32)}),
		data.NewField("uint64", nil, []uint64{0, 1, math.MaxUint64}),
		data.NewField("string", nil, []string{"", "line\nbreak \"quoted\" <b>", "\u2028 ü 😀"}),
		data.NewField("string?", nil, []*string{nil, pointer("x"), pointer("")}),
		data.NewField("bool", nil, []bool{true, false, true}),
		data.NewField("bool?", nil, []*bool{nil, pointer(true), pointer(false)}),
		data.NewField("json", nil, []json.RawMessage{[]byte(`{"a":[1,2]}`), []byte(`null`), []byte(`"x"`)}),
		data.NewField("enum", nil, []data.EnumItemIndex{0, 1, 0}).SetConfig(&data.FieldConfig{
			TypeConfig: &data.FieldTypeConfig{Enum: &data.EnumFieldConfig{Text: []string{"off", "on"}}},
		}),
	)
}
