package abi

import "unsafe"

//go:wasmimport wrapper:hook/job@0.1.0 name
func jobName(result unsafe.Pointer)

//go:wasmimport wrapper:hook/job@0.1.0 pid
func jobPid(result unsafe.Pointer)

//go:wasmimport wrapper:hook/job@0.1.0 started-at
func jobStartedAt(result unsafe.Pointer)

// JobElapsed is in milliseconds.
//
//go:wasmimport wrapper:hook/job@0.1.0 elapsed
func JobElapsed() uint64

//go:wasmimport wrapper:hook/job@0.1.0 status
func jobStatus(result unsafe.Pointer)

//go:wasmimport wrapper:hook/job@0.1.0 duration
func jobDuration(result unsafe.Pointer)

// JobAskedToEnd tells whether a signal has asked the job or the wrapper to end.
//
//go:wasmimport wrapper:hook/job@0.1.0 asked-to-end
func JobAskedToEnd() bool

//go:wasmimport wrapper:hook/plugin@0.1.0 name
func pluginName(result unsafe.Pointer)

// PluginTimeLeft is in milliseconds.
//
//go:wasmimport wrapper:hook/plugin@0.1.0 time-left
func PluginTimeLeft() uint64

// JobName is the file name of the job's command.
func JobName() string { return text(jobName) }

// PluginName is the plugin's name.
func PluginName() string { return text(pluginName) }

func text(get func(unsafe.Pointer)) string {
	result := ask(get)
	defer asking.Unlock()
	return stringAt(result, 0)
}

// JobPid is the job's process id, where it has one.
func JobPid() (uint32, bool) {
	result := ask(jobPid)
	defer asking.Unlock()
	return word(result, 4), tag(result, 0) == 1
}

// JobStartedAt is in milliseconds since 1970, where the job was started.
func JobStartedAt() (uint64, bool) { return optional(jobStartedAt) }

// JobDuration is in milliseconds, where the job has ended.
func JobDuration() (uint64, bool) { return optional(jobDuration) }

func optional(get func(unsafe.Pointer)) (uint64, bool) {
	result := ask(get)
	defer asking.Unlock()
	return long(result, 8), tag(result, 0) == 1
}

// JobStatus tells how the job ended, where it has.
func JobStatus() (ExitStatus, bool) {
	result := ask(jobStatus)
	defer asking.Unlock()
	if tag(result, 0) == 0 {
		return ExitStatus{}, false
	}
	status := ExitStatus{kind: tag(result, 4)}
	if status.kind == notStarted {
		status.why = stringAt(result, 8)
	} else {
		status.code = tag(result, 8)
	}
	return status, true
}
