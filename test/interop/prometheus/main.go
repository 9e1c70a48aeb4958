// A data source for Prometheus in a few lines of ours, made of what the plugin SDK gives to every data source: its HTTP client, its
// resource adapter, its instances.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

type instance struct {
	backend.CallResourceHandler
	url    string
	client *http.Client
}

func newInstance(ctx context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	options, err := settings.HTTPClientOptions(ctx)
	if err != nil {
		return nil, err
	}
	client, err := httpclient.New(options)
	if err != nil {
		return nil, err
	}
	made := &instance{url: strings.TrimSuffix(settings.URL, "/"), client: client}
	made.CallResourceHandler = httpadapter.New(http.HandlerFunc(made.resource))
	return made, nil
}

// What Prometheus says to a query.
type answer struct {
	Error string `json:"error"`
	Data  struct {
		Result []struct {
			Metric data.Labels          `json:"metric"`
			Value  [2]json.RawMessage   `json:"value"`
			Values [][2]json.RawMessage `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

func (i *instance) ask(ctx context.Context, path string, form url.Values) (answer, backend.Status, error) {
	var told answer
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return told, backend.StatusInternal, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := i.client.Do(req)
	if err != nil {
		return told, backend.StatusBadGateway, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil {
		return told, backend.StatusBadGateway, err
	}
	if told.Error != "" {
		return told, backend.Status(res.StatusCode), fmt.Errorf("%s", told.Error)
	}
	return told, backend.StatusOK, nil
}

func (i *instance) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	res := backend.NewQueryDataResponse()
	for _, query := range req.Queries {
		res.Responses[query.RefID] = i.query(ctx, query)
	}
	return res, nil
}

func (i *instance) query(ctx context.Context, query backend.DataQuery) backend.DataResponse {
	var wanted struct {
		Expr    string `json:"expr"`
		Instant bool   `json:"instant"`
	}
	if err := json.Unmarshal(query.JSON, &wanted); err != nil {
		return backend.ErrDataResponseWithSource(backend.StatusBadRequest, backend.ErrorSourcePlugin, err.Error())
	}
	step := max(query.Interval, time.Second)
	path := "/api/v1/query_range"
	form := url.Values{
		"query": {wanted.Expr}, "start": {seconds(query.TimeRange.From)}, "end": {seconds(query.TimeRange.To)}, "step": {step.String()},
	}
	kind := data.FrameTypeTimeSeriesMulti
	if wanted.Instant {
		path = "/api/v1/query"
		form = url.Values{"query": {wanted.Expr}, "time": {seconds(query.TimeRange.To)}}
		kind = data.FrameTypeNumericMulti
	}
	told, status, err := i.ask(ctx, path, form)
	if err != nil {
		return backend.ErrDataResponseWithSource(status, backend.ErrorSourceDownstream, err.Error())
	}
	frames := data.Frames{}
	for _, series := range told.Data.Result {
		points := series.Values
		if wanted.Instant {
			points = [][2]json.RawMessage{series.Value}
		}
		frame, err := toFrame(points, series.Metric)
		if err != nil {
			return backend.ErrDataResponseWithSource(backend.StatusBadGateway, backend.ErrorSourceDownstream, err.Error())
		}
		frame.Meta = &data.FrameMeta{
			Type: kind, TypeVersion: data.FrameTypeVersion{0, 1}, ExecutedQueryString: "Expr: " + wanted.Expr + "\nStep: " + step.String(),
		}
		frames = append(frames, frame)
	}
	return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
}

func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}

func toFrame(points [][2]json.RawMessage, labels data.Labels) (*data.Frame, error) {
	times := make([]time.Time, len(points))
	values := make([]float64, len(points))
	for n, point := range points {
		var at float64
		if err := json.Unmarshal(point[0], &at); err != nil {
			return nil, err
		}
		times[n] = time.UnixMilli(int64(at * 1000)).UTC()
		var text string
		if err := json.Unmarshal(point[1], &text); err != nil {
			return nil, err
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		values[n] = value
	}
	return data.NewFrame("", data.NewField(data.TimeSeriesTimeFieldName, nil, times), data.NewField(data.TimeSeriesValueFieldName, labels, values)), nil
}

// Passes reads of Prometheus's own API on, such as api/v1/labels.
func (i *instance) resource(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if !strings.HasPrefix(path, "api/v1/") {
		http.NotFound(w, r)
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, i.url+"/"+path+"?"+r.URL.RawQuery, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, err := i.client.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		backend.Logger.Warn("resource cut short", "error", err)
	}
}

func (i *instance) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	if _, _, err := i.ask(ctx, "/api/v1/query", url.Values{"query": {"vector(1)"}}); err != nil {
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: err.Error()}, nil
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: "Successfully queried Prometheus."}, nil
}

func main() {
	if err := datasource.Manage("prometheus", newInstance, datasource.ManageOpts{}); err != nil {
		backend.Logger.Error(err.Error())
		os.Exit(1)
	}
}
