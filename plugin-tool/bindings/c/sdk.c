// See sdk.h.
#include "sdk.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// A C string that grows.
struct buffer {
  char *text;
  size_t length;
};

static void append(struct buffer *to, const char *from, size_t size) {
  to->text = realloc(to->text, to->length + size + 1);
  memcpy(to->text + to->length, from, size);
  to->length += size;
  to->text[to->length] = 0;
}

static void append_number(struct buffer *to, bool negative, uint64_t number) {
  char digits[21], *first = digits + sizeof digits;
  do *--first = (char)('0' + number % 10);
  while (number /= 10);
  if (negative) *--first = '-';
  append(to, first, (size_t)(digits + sizeof digits - first));
}

static char *formatted(const char *format, va_list arguments) {
  struct buffer to = {0};
  append(&to, "", 0);
  for (; *format; format++) {
    if (*format != '%') {
      append(&to, format, 1);
      continue;
    }
    bool wide = format[1] == 'l' && format[2] == 'l';
    bool marked = format[1] == 'l' || format[1] == 'z'; // wasm32: no wider than an int
    format += wide ? 3 : marked ? 2 : 1;
    switch (*format) {
    case 's': {
      const char *string = va_arg(arguments, const char *);
      append(&to, string, strlen(string));
      break;
    }
    case 'c': {
      char character = (char)va_arg(arguments, int);
      append(&to, &character, 1);
      break;
    }
    case 'd': {
      int64_t number = wide ? va_arg(arguments, long long) : va_arg(arguments, int);
      append_number(&to, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number);
      break;
    }
    case 'u':
      append_number(&to, false, wide ? va_arg(arguments, unsigned long long) : va_arg(arguments, unsigned));
      break;
    case '%':
      append(&to, "%", 1);
      break;
    default:
      abort();
    }
  }
  return to.text;
}

char *text(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *line = formatted(format, arguments);
  va_end(arguments);
  return line;
}

char *json(const char *string) {
  struct buffer to = {0};
  append(&to, "\"", 1);
  for (; *string; string++) {
    unsigned char byte = (unsigned char)*string;
    if (byte < 0x20) {
      const char escaped[] = {'\\', 'u', '0', '0', "01"[byte >> 4], "0123456789abcdef"[byte & 15]};
      append(&to, escaped, sizeof escaped);
      continue;
    }
    if (byte == '"' || byte == '\\') append(&to, "\\", 1);
    append(&to, string, 1);
  }
  append(&to, "\"", 1);
  return to.text;
}

char *c_string(hook_string_t string) {
  struct buffer to = {0};
  append(&to, (const char *)string.ptr, string.len);
  return to.text;
}

hook_string_t hook_string(const char *string) {
  return (hook_string_t){(uint8_t *)string, strlen(string)};
}

hook_list_u8_t body(const char *string) {
  return (hook_list_u8_t){(uint8_t *)string, strlen(string)};
}

static void log_line(log_level_t level, const char *format, va_list arguments) {
  hook_string_t line = hook_string(formatted(format, arguments));
  log_log(level, &line);
}

void debug(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(LOG_LEVEL_DEBUG, format, arguments);
  va_end(arguments);
}

void info(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(LOG_LEVEL_INFO, format, arguments);
  va_end(arguments);
}

void warn(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(LOG_LEVEL_WARN, format, arguments);
  va_end(arguments);
}

bool fail(hook_string_t *err, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  *err = hook_string(formatted(format, arguments));
  va_end(arguments);
  return false;
}

char *job(void) {
  hook_string_t name;
  job_name(&name);
  return c_string(name);
}

char *why(const localhost_error_t *error) {
  switch (error->tag) {
  case LOCALHOST_ERROR_DENIED:
    return c_string(error->val.denied);
  case LOCALHOST_ERROR_REFUSED:
    return text("nobody listens there");
  case LOCALHOST_ERROR_CLOSED:
    return text("it closed the connection without an answer");
  case LOCALHOST_ERROR_TIMED_OUT:
    return text("it did not answer in time");
  case LOCALHOST_ERROR_TOO_LARGE:
    return text("its answer is too large");
  default:
    return c_string(error->val.other);
  }
}
