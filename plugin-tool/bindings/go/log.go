package hook

import "notify/hook/internal/abi"

// Debug writes a line of use when looking for a fault. It is not shown by default.
func Debug(line string) { abi.Log(abi.Debug, line) }

// Info writes a line about one thing that happened.
func Info(line string) { abi.Log(abi.Info, line) }

// Warn writes a line about something that is not as it should be, and the hook goes on.
func Warn(line string) { abi.Log(abi.Warn, line) }

// Error writes a line about something that the hook could not do. An error that the hook returns is logged without it.
func Error(line string) { abi.Log(abi.Error, line) }
