// Tells http://localhost:8080/jobs how the job ended.
#include "sdk.h"

static const char *outcome_of(const hook_exit_status_t *status) {
  switch (status->tag) {
  case HOOK_EXIT_STATUS_EXITED:
    return text("exited %d", status->val.exited);
  case HOOK_EXIT_STATUS_SIGNALED:
    return text("was killed by signal %d", status->val.signaled);
  default:
    return text("did not start: %s", c_string(status->val.not_started));
  }
}

bool exports_after_exit_run(hook_exit_status_t *status, hook_string_t *err) {
  const char *outcome = outcome_of(status);
  uint64_t ms;
  bool started = job_duration(&ms);
  if (started)
    info("%s %s after %llu ms", job(), outcome, ms);
  else
    info("%s %s", job(), outcome);

  hook_tuple2_string_string_t header = {hook_string("Content-Type"), hook_string("application/json")};
  localhost_request_t request = {
      .method = hook_string("POST"),
      .port = 8080,
      .path = hook_string("/jobs"),
      .headers = {&header, 1},
      .body = body(text("{\"job\":%s,\"outcome\":%s,\"duration_ms\":%s}", json(job()), json(outcome),
                        started ? text("%llu", ms) : "null")),
  };
  localhost_response_t response;
  localhost_error_t error;
  if (!localhost_send(&request, &response, &error)) {
    if (error.tag != LOCALHOST_ERROR_REFUSED) return fail(err, "localhost:8080: %s", why(&error));
    info("nobody listens on localhost:8080");
    return true;
  }
  if (response.status / 100 != 2) return fail(err, "localhost:8080 answered %d", response.status);
  info("localhost:8080 answered %d", response.status);
  return true;
}
