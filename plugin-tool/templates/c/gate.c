// Lets the job start when http://localhost:8080/ready answers 200.
#include "sdk.h"

bool exports_before_start_run(hook_string_t *err) {
  localhost_request_t request = {
      .method = hook_string("GET"),
      .port = 8080,
      .path = hook_string("/ready"),
  };
  localhost_response_t response;
  localhost_error_t error;
  if (!localhost_send(&request, &response, &error)) return fail(err, "localhost:8080 is not ready: %s", why(&error));
  if (response.status != 200) return fail(err, "localhost:8080 is not ready: it answered %d", response.status);
  return true;
}
