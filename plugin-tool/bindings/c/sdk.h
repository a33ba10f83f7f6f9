// What makes hook.h nicer to use. hook.h is generated from the contract between the wrapper and a plugin, and documents
// it: job_pid, job_elapsed, plugin_time_left, localhost_send and the rest are there.
//
// Strings are C strings, and nobody has to free one: memory is given back when the hook has returned.
#pragma once
#include "hook.h"

#define FORMAT(n) __attribute__((format(printf, n, n + 1)))

// Text, as from printf. Knows %s, %c, %d, %u and %%, also with l, ll or z before d and u. It traps on anything else.
char *text(const char *format, ...) FORMAT(1);

// The string as a JSON string, with its quotes.
char *json(const char *string);

// The name of the job: `ls` for `/bin/ls -l`.
char *job(void);

// Log a line of text, each at its level. A failure needs no line: the wrapper logs what a hook returns with `fail`.
void debug(const char *format, ...) FORMAT(1);
void info(const char *format, ...) FORMAT(1);
void warn(const char *format, ...) FORMAT(1);

// Lets the hook fail with a sentence: `return fail(err, "it answered %d", status);`.
bool fail(hook_string_t *err, const char *format, ...) FORMAT(2);

// Why localhost_send got no answer: "nobody listens there".
char *why(const localhost_error_t *error);

// A string of the contract as a C string.
char *c_string(hook_string_t string);

// A C string as a string of the contract. Nothing is copied.
hook_string_t hook_string(const char *string);

// A C string as the body of a request. Nothing is copied.
hook_list_u8_t body(const char *string);

#undef FORMAT
