// Package hook is what the wrapper offers a plugin: facts about the job, the plugin and its sidecar, a log, HTTP to
// localhost.
//
// A program becomes a plugin by calling Run of package afterexit or beforestart, or of both, in an init function. By
// import of hooklog, the standard packages log and log/slog write to the wrapper's log; by import of hookhttp, net/http
// speaks to localhost.
//
// There is nothing else: no files, no sockets, and of the environment only the variables HOOK_… and those that the user
// allowed. A plugin's memory is its own, by default at most 64 MiB. A response's body may have 4 MiB.
package hook

import (
	"time"

	"notify/hook/internal/abi"
)

// ExitStatus tells how the job ended. It has the methods
//
//	Exited() (code int, ok bool)      // It exited by itself.
//	Signaled() (signal int, ok bool)  // A signal killed it.
//	NotStarted() (why string, ok bool) // It never ran.
//	Success() bool                    // It exited with 0.
//	String() string                   // "exited 3", "was killed by signal 9", "did not start: WHY"
type ExitStatus = abi.ExitStatus

// JobFacts are what is known of the job.
type JobFacts struct {
	Name      string        // The file name of its command, without folder: ls for /bin/ls -l.
	Pid       int           // As the wrapper sees it. 0 before the start, and where the job never started.
	StartedAt time.Time     // Zero before the start, and where the job never started.
	Status    *ExitStatus   // Nil until the job has ended.
	Duration  time.Duration // From start to end. -1 until the job has ended, and where it never started.
}

// Job returns what is known of the job now.
func Job() JobFacts {
	facts := JobFacts{Name: abi.JobName(), Duration: -1}
	if pid, ok := abi.JobPid(); ok {
		facts.Pid = int(pid)
	}
	if at, ok := abi.JobStartedAt(); ok {
		facts.StartedAt = time.UnixMilli(int64(at))
	}
	if status, ok := abi.JobStatus(); ok {
		facts.Status = &status
	}
	if duration, ok := abi.JobDuration(); ok {
		facts.Duration = milliseconds(duration)
	}
	return facts
}

// Elapsed is the time since the job was started. It goes on while hooks run after the job's end.
func Elapsed() time.Duration { return milliseconds(abi.JobElapsed()) }

// AskedToEnd tells whether a signal has asked the job or the wrapper to end by now. The pod may be killed soon, so a hook
// that waits for something gives up then.
func AskedToEnd() bool { return abi.JobAskedToEnd() }

// Name is the plugin's, as in its log lines.
func Name() string { return abi.PluginName() }

// TimeLeft is the time until this hook is stopped. A request ends a little before that, so that the hook can say why it
// failed.
func TimeLeft() time.Duration { return milliseconds(abi.PluginTimeLeft()) }

func milliseconds(count uint64) time.Duration { return time.Duration(count) * time.Millisecond }
