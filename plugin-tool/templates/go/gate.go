// Before the job starts, asks a server on localhost whether it is ready: GET http://localhost:8080/ready.
// The job is started where the answer is 200.
package main

import (
	"errors"
	"fmt"

	"example.com/notify/hook"
	"example.com/notify/hook/beforestart"
)

func init() { beforestart.Run(ready) }

func ready() error {
	response, err := hook.Get(8080, "/ready")
	if errors.Is(err, hook.ErrRefused) {
		return errors.New("localhost:8080 is not ready: nobody listens there")
	}
	if err != nil {
		return err
	}
	if response.StatusCode != 200 {
		return fmt.Errorf("localhost:8080 is not ready: it answered %d", response.StatusCode)
	}
	return nil
}
