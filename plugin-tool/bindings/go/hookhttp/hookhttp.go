// Package hookhttp makes net/http speak to localhost, by being imported: import _ "…/hook/hookhttp"
//
// It costs: with net/http a plugin is several times as large as with the functions of package hook.
package hookhttp

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"notify/hook"
)

func init() { http.DefaultTransport = Transport{} }

// Transport is an http.RoundTripper for http://localhost:PORT, and for addresses of this host: http://127.0.0.2:PORT and
// http://[::1]:PORT. A response is read to its end, at most 4 MiB, before it is returned. A request's deadline counts; to
// cancel it has no effect, as no other goroutine runs meanwhile.
type Transport struct{}

// RoundTrip sends a request and waits for the response. Its errors are those of hook.Do. A URL with another scheme or
// another host is hook.ErrDenied.
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
	address, port, err := target(request.URL)
	if err != nil {
		return nil, err
	}
	path := request.URL.RequestURI()
	sent := hook.Request{Address: address, Method: request.Method, Port: port, Path: path, Body: body}
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

// The address and the port that a URL means. The address is empty for localhost.
func target(url *url.URL) (address string, port uint16, err error) {
	denied := func(what, why string) (string, uint16, error) {
		return "", 0, fmt.Errorf("%s: %w: %s", what, hook.ErrDenied, why)
	}
	if url.Scheme != "http" {
		return denied(url.Scheme, "a hook speaks plain HTTP; write the URL as http://localhost:PORT/PATH")
	}
	switch host := url.Hostname(); {
	case strings.EqualFold(host, "localhost"):
	case strings.EqualFold(host, "localhost."):
		return denied(url.Host, "there is a dot after localhost; leave it out")
	case isLoopback(host):
		address = host
	default:
		return denied(url.Host, "a hook reaches only this host: localhost, an address of 127.0.0.0/8, or [::1]")
	}
	number, err := strconv.ParseUint(cmp.Or(url.Port(), "80"), 10, 16)
	if err != nil || number == 0 {
		return denied(url.Host, "the port must be a number from 1 to 65535")
	}
	return address, uint16(number), nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Zone() == "" && address.Unmap().IsLoopback()
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
