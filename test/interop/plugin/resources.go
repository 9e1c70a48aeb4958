package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
)

func (i *instance) CallResource(ctx context.Context, req *backend.CallResourceRequest, sender backend.CallResourceResponseSender) error {
	path, amount, _ := strings.Cut(req.Path, "/")
	number, _ := strconv.Atoi(amount)
	switch path {
	case "echo":
		return sendJSON(sender, map[string]any{
			"context": i.see(req.PluginContext),
			"path":    req.Path,
			"method":  req.Method,
			"url":     req.URL,
			"headers": req.Headers,
			"body":    req.Body,
		})
	case "mux":
		return httpadapter.New(http.HandlerFunc(echoRequest)).CallResource(ctx, req, sender)
	case "counters":
		return sendJSON(sender, map[string]any{
			"instances": counters.instances.Load(), "disposed": counters.disposed.Load(), "cancelled": counters.cancelled.Load(),
		})
	case "headers":
		return sender.Send(&backend.CallResourceResponse{
			Status:  418,
			Headers: map[string][]string{"Content-Type": {"text/plain"}, "X-Many": {"one", "two"}, "x-lower": {"kept"}},
			Body:    []byte("short and stout"),
		})
	case "stream":
		return stream(sender, number)
	case "endless":
		for ctx.Err() == nil {
			if err := sender.Send(&backend.CallResourceResponse{Status: 200, Body: bytes.Repeat([]byte("x"), 1024)}); err != nil {
				break
			}
		}
		counters.cancelled.Add(1)
		return ctx.Err()
	case "bytes":
		return sender.Send(&backend.CallResourceResponse{Status: 200, Body: bytes.Repeat([]byte("x"), number)})
	case "empty":
		return sender.Send(&backend.CallResourceResponse{Status: 204})
	case "silent":
		return nil
	case "fail":
		return fmt.Errorf("the resource failed")
	case "half":
		if err := sender.Send(&backend.CallResourceResponse{Status: 200, Body: []byte("first half")}); err != nil {
			return err
		}
		return fmt.Errorf("the resource failed half way")
	case "panic":
		panic("the resource panicked")
	case "log":
		sayEverything(ctx)
	case "print":
		// far more than a pipe holds: blocks unless somebody reads it at the other end
		line := strings.Repeat("p", 1023)
		for n := 0; n < number; n++ {
			fmt.Println(line)
		}
	case "sleep":
		time.Sleep(time.Duration(number) * time.Millisecond)
	default:
		return sender.Send(&backend.CallResourceResponse{Status: 404, Body: []byte("no such resource")})
	}
	return sender.Send(&backend.CallResourceResponse{Status: 200, Body: []byte("done")})
}

// What most plugins see of a resource: a request of net/http, made by the SDK.
func echoRequest(w http.ResponseWriter, r *http.Request) {
	var body []byte
	var err error
	if r.Body != nil {
		body, err = io.ReadAll(r.Body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Seen", "yes")
	w.Header().Set("ETag", `"1"`)
	if err := json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.Path, "escapedPath": r.URL.EscapedPath(), "host": r.URL.Host, "query": r.URL.RawQuery,
		"panel": r.Header.Get("X-Panel-Id"), "idToken": r.Header.Get("X-Id-Token"), "headers": r.Header, "body": body,
	}); err != nil {
		backend.Logger.Error("cannot echo a request", "error", err)
	}
}

func sendJSON(sender backend.CallResourceResponseSender, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return sender.Send(&backend.CallResourceResponse{
		Status: 200, Headers: map[string][]string{"Content-Type": {"application/json"}}, Body: body,
	})
}

func stream(sender backend.CallResourceResponseSender, messages int) error {
	for n := 0; n < messages; n++ {
		message := &backend.CallResourceResponse{Body: []byte(fmt.Sprintf("%d\n", n))}
		if n == 0 {
			message.Status = 200
			message.Headers = map[string][]string{"Content-Type": {"text/event-stream"}}
		}
		if err := sender.Send(message); err != nil {
			return err
		}
	}
	return nil
}

// All the ways in which a plugin's words leave it.
func sayEverything(ctx context.Context) {
	logger := backend.Logger.FromContext(ctx).With("interop", "yes")
	logger.Debug("said at debug", "n", 1, "nested", map[string]int{"a": 1})
	logger.Info("said at info", "n", 2)
	logger.Warn("said at warn", "n", 3)
	logger.Error("said at error", "n", 4, "error", fmt.Errorf("an error value"))
	fmt.Println("printed to stdout")
	fmt.Fprintln(os.Stderr, "printed to stderr")
	println("printed by the runtime")
	stdlog.Println("printed by the log package")
	println("[WARN] printed with a level")
}

func (i *instance) CheckHealth(_ context.Context, req *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	switch i.settings.URL {
	case "error":
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: "the database is down", JSONDetails: []byte(`{"tried":3}`)}, nil
	case "fail":
		return nil, fmt.Errorf("the health check failed")
	}
	details, err := json.Marshal(map[string]any{"context": i.see(req.PluginContext), "headers": req.Headers})
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: "healthy", JSONDetails: details}, err
}
