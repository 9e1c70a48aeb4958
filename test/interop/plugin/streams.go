package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

func (i *instance) SubscribeStream(_ context.Context, req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	switch req.Path {
	case "missing":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	case "denied":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusPermissionDenied}, nil
	case "plain":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK}, nil
	}
	told, err := json.Marshal(map[string]any{
		"path": req.Path, "data": req.Data, "uid": i.settings.UID, "user": req.PluginContext.User,
		"headers": headersOfSubscription(req),
	})
	if err != nil {
		return nil, err
	}
	initial, err := backend.NewInitialData(told)
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK, InitialData: initial}, err
}

// Tells what it sees of the call, then the time, until it is left.
func (i *instance) tick(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	told, err := json.Marshal(map[string]any{"seen": i.see(req.PluginContext), "data": req.Data})
	if err != nil {
		return err
	}
	for {
		if err := sender.SendJSON(told); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			counters.cancelled.Add(1)
			return ctx.Err()
		case now := <-time.After(20 * time.Millisecond):
			told = []byte(fmt.Sprintf(`{"ms":%d}`, now.UnixMilli()))
		}
	}
}

func (i *instance) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	if req.Path == "ticks" {
		return i.tick(ctx, req, sender)
	}
	for n := 0; n < 3; n++ {
		if err := sender.SendJSON([]byte(fmt.Sprintf(`{"n":%d}`, n))); err != nil {
			return err
		}
	}
	if err := sender.SendFrame(data.NewFrame("packet", data.NewField("n", nil, []int64{4})), data.IncludeAll); err != nil {
		return err
	}
	switch req.Path {
	case "ends":
		return nil
	case "fails":
		return fmt.Errorf("the stream failed")
	}
	<-ctx.Done()
	counters.cancelled.Add(1)
	return ctx.Err()
}

func (i *instance) PublishStream(_ context.Context, req *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	if req.Path == "denied" {
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
	}
	// the SDK of 2023 loses the data on its way in
	told, err := json.Marshal(map[string]any{"path": req.Path, "data": req.Data})
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusOK, Data: told}, err
}
