// The least that a launcher in Go does which ends an Istio sidecar: it starts the job, passes signals on, sends the request
// when the job has ended and reports its exit code. The benchmark measures it in place of the launchers that do more.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	job := exec.Command(os.Args[1], os.Args[2:]...)
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := job.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(127)
	}
	go func() {
		for each := range signals {
			job.Process.Signal(each)
		}
	}()
	job.Wait()
	answer, err := http.Post("http://127.0.0.1:15020/quitquitquit", "", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		fmt.Fprintln(os.Stderr, "quitquitquit:", answer.Status)
		answer.Body.Close()
	}
	status := job.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
}
