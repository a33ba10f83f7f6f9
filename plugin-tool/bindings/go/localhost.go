package hook

import (
	"cmp"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"notify/hook/internal/abi"
)

// Request is one HTTP/1.1 request to localhost.
type Request struct {
	// localhost if empty, which means 127.0.0.1, or ::1 if nothing listens there. An address of 127.0.0.0/8, or ::1, means
	// that address.
	Address string

	Method  string        // GET if empty.
	Port    uint16        // 1 to 65535.
	Path    string        // Path and query. / if empty.
	Header  [][2]string   // Name, value. Host and Content-Length are set by the wrapper.
	Body    []byte        // At most 4 MiB.
	Timeout time.Duration // Of the whole exchange. The hook's own if 0.

	// The response is returned when its head has come, without a body. Not with an Address.
	HeadOnly bool

	// For a server whose status says all, such as a sidecar that is asked to quit. The status line decides, even if the rest
	// is cut short. The body is read to its end, at most 1 MiB and 10 seconds of it; the response has its first 4 KiB.
	StatusOnly bool
}

// Response is the answer. A redirect is one like any other and is not followed.
type Response struct {
	StatusCode int
	Header     [][2]string // Name in lower case, value. At most 64 KiB.
	Body       []byte      // As it came: no content coding is undone. At most 4 MiB; a larger one is ErrTooLarge.
}

// Why there is no response, for errors.Is.
var (
	ErrDenied         = errors.New("not allowed")
	ErrRefused  error = &failure{"nothing listens on that port", syscall.ECONNREFUSED}
	ErrClosed   error = &failure{"the connection closed without an answer", syscall.ECONNRESET}
	ErrTimedOut error = &failure{"the time for the request ran out", os.ErrDeadlineExceeded}
	ErrTooLarge       = errors.New("the response is larger than a hook may take in")
)

type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// Get asks for a path of a port of localhost.
func Get(port uint16, path string) (*Response, error) {
	return exchange(Request{Port: port, Path: path}, abi.Send)
}

// Post sends a body to a path of a port of localhost.
func Post(port uint16, path, contentType string, body []byte) (*Response, error) {
	header := [][2]string{{"Content-Type", contentType}}
	return exchange(Request{Method: "POST", Port: port, Path: path, Header: header, Body: body}, abi.Send)
}

// Do sends a request and waits for the response, whatever its status code. An error begins with "localhost:PORT: ", or
// with the address and the port. While it waits, no other goroutine runs.
func Do(request Request) (*Response, error) {
	if request.Address == localhost {
		request.Address = ""
	}
	// Get and Post do without this function, since a plugin that calls it imports all that it chooses from.
	switch {
	case request.StatusOnly:
		return exchange(request, abi.SendForStatus)
	case request.HeadOnly && request.Address != "":
		return nil, errors.New(place(request) + ": a request with an Address cannot be HeadOnly; it can be StatusOnly")
	case request.HeadOnly:
		return exchange(request, abi.SendForHead)
	case request.Address != "":
		return exchange(request, abi.SendTo)
	default:
		return exchange(request, abi.Send)
	}
}

// What means this host, whatever its addresses are.
const localhost = "localhost"

func exchange(request Request, send func(abi.Request) abi.Answer) (*Response, error) {
	answer := send(abi.Request{
		Address: cmp.Or(request.Address, localhost), Method: cmp.Or(request.Method, "GET"), Port: request.Port,
		Path: cmp.Or(request.Path, "/"), Header: request.Header, Body: request.Body,
		Limited: request.Timeout > 0, Milliseconds: max(request.Timeout.Milliseconds(), 1),
	})
	if err := failureOf(answer); err != nil {
		return nil, &failure{place(request) + ": " + err.Error(), err}
	}
	return &Response{int(answer.Status), answer.Header, answer.Body}, nil
}

// Address and port, as in a URL.
func place(request Request) string {
	address := cmp.Or(request.Address, localhost)
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return address + ":" + strconv.Itoa(int(request.Port))
}

func failureOf(answer abi.Answer) error {
	switch answer.Failure {
	case abi.None:
		return nil
	case abi.Denied:
		return &failure{answer.Why, ErrDenied}
	case abi.Refused:
		return ErrRefused
	case abi.Closed:
		return ErrClosed
	case abi.TimedOut:
		return ErrTimedOut
	case abi.TooLarge:
		return ErrTooLarge
	default:
		return errors.New(answer.Why)
	}
}
