// Tells a server on localhost how the job ended.

import * as job from 'wrapper:hook/job@0.1.0';
import { send } from 'wrapper:hook/localhost@0.1.0';
import { log } from 'wrapper:hook/log@0.1.0';

const PORT = 8080;
const SERVER = `localhost:${PORT}`;

// The kebab-case names of the WIT are camelCase here. What `run` throws is the hook's failure: an Error's message, or a
// string. It must not be `async`: nobody would wait for it, nor hear what it throws.
export const afterExit = {
  run(status) {
    const outcome = describe(status);
    const duration = job.duration(); // null where the job never started
    const after = duration === null ? '' : ` after ${duration} ms`;
    log('info', `${job.name()} ${outcome}${after}`);

    const answered = post('/jobs', { job: job.name(), outcome, duration_ms: duration });
    if (answered === null) {
      log('info', `nobody listens on ${SERVER}`);
    } else if (answered >= 200 && answered < 300) {
      log('info', `${SERVER} answered ${answered}`);
    } else {
      throw new Error(`${SERVER} answered ${answered}`);
    }
  },
};

/** A variant of the WIT is an object with a `tag`, and a `val` where the case has a payload. */
function describe({ tag, val }) {
  switch (tag) {
    case 'exited':
      return `exited ${val}`;
    case 'signaled':
      return `was killed by signal ${val}`;
    case 'not-started':
      return `did not start: ${val}`;
  }
}

const TROUBLE = {
  closed: 'the connection was closed without an answer',
  'timed-out': 'no answer in time',
  'too-large': 'the answer is too large',
};

/** The status of the answer, or null where nobody listens. */
function post(path, value) {
  const headers = [['Content-Type', 'application/json']];
  const body = utf8(JSON.stringify(value));
  try {
    return send({ method: 'POST', port: PORT, path, headers, body, timeoutMs: null }).status;
  } catch (error) {
    // An import's error is in `payload`; here it is the variant `error` of `localhost`.
    if (!error.payload) throw error;
    const { tag, val } = error.payload;
    if (tag === 'refused') return null;
    throw new Error(`${SERVER}: ${val ?? TROUBLE[tag]}`);
  }
}

/** QuickJS has no TextEncoder. */
function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
}
