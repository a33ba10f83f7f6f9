// Package hooklog makes log/slog and log write to the wrapper's log, by being imported: import _ "…/hook/hooklog"
package hooklog

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"notify/hook/internal/abi"
)

func init() { slog.SetDefault(slog.New(New())) }

// Handler writes a record as one line: the message, then its attributes as NAME=VALUE. The wrapper shows lines from
// level info on, or as its user says.
type Handler struct {
	text slog.Handler
	line *line
}

// The line in the making, of a handler and those derived from it.
type line struct {
	sync.Mutex
	bytes.Buffer
}

// New returns a handler. The default one of log/slog is one already.
func New() *Handler {
	line := new(line)
	options := slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: leaveOut}
	return &Handler{slog.NewTextHandler(line, &options), line}
}

// The wrapper's lines have a time and a level, and the message goes without a name.
func leaveOut(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) == 0 {
		switch attribute.Key {
		case slog.TimeKey, slog.LevelKey, slog.MessageKey:
			return slog.Attr{}
		}
	}
	return attribute
}

// Enabled is true: the wrapper chooses what is shown.
func (h *Handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes a record.
func (h *Handler) Handle(ctx context.Context, record slog.Record) error {
	h.line.Lock()
	defer h.line.Unlock()
	h.line.Reset()
	err := h.text.Handle(ctx, record)
	text := record.Message
	if attributes := bytes.TrimSpace(h.line.Bytes()); len(attributes) > 0 {
		text += " " + string(attributes)
	}
	abi.Log(level(record.Level), text)
	return err
}

func level(level slog.Level) uint32 {
	switch {
	case level < slog.LevelInfo:
		return abi.Debug
	case level < slog.LevelWarn:
		return abi.Info
	case level < slog.LevelError:
		return abi.Warn
	default:
		return abi.Error
	}
}

// WithAttrs returns a handler whose lines have these attributes too.
func (h *Handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &Handler{h.text.WithAttrs(attributes), h.line}
}

// WithGroup returns a handler whose further attributes are named GROUP.NAME.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.text.WithGroup(name), h.line}
}
