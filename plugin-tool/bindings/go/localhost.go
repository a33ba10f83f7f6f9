package hook

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"notify/hook/internal/abi"
)

// Request is one HTTP/1.1 request to localhost.
type Request struct {
	Method   string        // GET where it is empty.
	Port     uint16        // On 127.0.0.1, or on ::1 where nothing listens on the former.
	Path     string        // Path and query. / where it is empty.
	Header   [][2]string   // Name, value. Host and Content-Length are set by the wrapper.
	Body     []byte        // At most 4 MiB.
	Timeout  time.Duration // Of the whole exchange. The hook's own where it is 0.
	HeadOnly bool          // The response is returned when its head has come, without a body.
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
func Get(port uint16, path string) (*Response, error) { return Do(Request{Port: port, Path: path}) }

// Post sends a body to a path of a port of localhost.
func Post(port uint16, path, contentType string, body []byte) (*Response, error) {
	header := [][2]string{{"Content-Type", contentType}}
	return Do(Request{Method: "POST", Port: port, Path: path, Header: header, Body: body})
}

// Do sends a request and waits for the response, whatever its status code. An error begins with "localhost:PORT: ".
// While it waits, no other goroutine runs.
func Do(request Request) (*Response, error) {
	if request.Method == "" {
		request.Method = "GET"
	}
	if request.Path == "" {
		request.Path = "/"
	}
	answer := abi.Send(abi.Request{
		Method: request.Method, Port: request.Port, Path: request.Path, Header: request.Header, Body: request.Body,
		Limited: request.Timeout > 0, Milliseconds: max(request.Timeout.Milliseconds(), 1), HeadOnly: request.HeadOnly,
	})
	if err := failureOf(answer); err != nil {
		return nil, &failure{"localhost:" + strconv.Itoa(int(request.Port)) + ": " + err.Error(), err}
	}
	return &Response{int(answer.Status), answer.Header, answer.Body}, nil
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
