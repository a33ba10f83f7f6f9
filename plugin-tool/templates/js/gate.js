// Lets the job start when a server on localhost is ready.

import { send } from 'wrapper:hook/localhost@0.1.0';

const PORT = 8080;

// The kebab-case names of the WIT are camelCase here. What `run` throws keeps the job from starting: an Error's
// message, or a string. It must not be `async`: nobody would wait for it, nor hear what it throws.
export const beforeStart = {
  run() {
    const trouble = askReady();
    if (trouble) throw new Error(`localhost:${PORT} is not ready: ${trouble}`);
  },
};

const TROUBLE = {
  refused: 'nobody listens there',
  closed: 'the connection was closed without an answer',
  'timed-out': 'no answer in time',
  'too-large': 'the answer is too large',
};

/** Why the server is not ready, or null where it is. */
function askReady() {
  try {
    const { status } = send({ method: 'GET', port: PORT, path: '/ready', headers: [], body: [], timeoutMs: null });
    return status === 200 ? null : `it answered ${status}`;
  } catch (error) {
    // An import's error is in `payload`; here it is the variant `error` of `localhost`.
    if (!error.payload) throw error;
    const { tag, val } = error.payload;
    return val ?? TROUBLE[tag];
  }
}
