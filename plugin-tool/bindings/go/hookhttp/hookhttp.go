// Package hookhttp makes net/http speak to localhost, by being imported: import _ "…/hook/hookhttp"
//
// It costs: with net/http a plugin is several times as large as with the functions of package hook.
package hookhttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"notify/hook"
)

func init() { http.DefaultTransport = Transport{} }

// Transport is an http.RoundTripper for http://localhost:PORT. A response is read to its end, at most 4 MiB, before it
// is returned. A request's deadline counts; to cancel it has no effect, as no other goroutine runs meanwhile.
type Transport struct{}

// RoundTrip sends a request and waits for the response. Its errors are those of hook.Do.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		body, err = io.ReadAll(request.Body)
		request.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	port, err := portOf(request.URL)
	if err != nil {
		return nil, err
	}
	sent := hook.Request{Method: request.Method, Port: port, Path: request.URL.RequestURI(), Body: body}
	for name, values := range request.Header {
		for _, value := range values {
			sent.Header = append(sent.Header, [2]string{name, value})
		}
	}
	if deadline, ok := request.Context().Deadline(); ok {
		sent.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	got, err := hook.Do(sent)
	if err != nil {
		return nil, err
	}
	return response(request, got), nil
}

func portOf(url *url.URL) (uint16, error) {
	switch url.Hostname() {
	case "localhost", "127.0.0.1", "::1":
	default:
		return 0, fmt.Errorf("%s: %w: a hook speaks to localhost only", url.Hostname(), hook.ErrDenied)
	}
	if url.Scheme != "http" {
		return 0, fmt.Errorf("%s: %w: a hook speaks plain HTTP", url.Scheme, hook.ErrDenied)
	}
	if url.Port() == "" {
		return 80, nil
	}
	port, err := strconv.ParseUint(url.Port(), 10, 16)
	return uint16(port), err
}

func response(request *http.Request, got *hook.Response) *http.Response {
	header := http.Header{}
	for _, field := range got.Header {
		header.Add(field[0], field[1])
	}
	return &http.Response{
		Status:     strconv.Itoa(got.StatusCode) + " " + http.StatusText(got.StatusCode),
		StatusCode: got.StatusCode,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(got.Body)),
		ContentLength: int64(len(got.Body)),
		Request:       request,
	}
}
