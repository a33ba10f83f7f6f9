// Tells a server on localhost how the job ended, with the standard `fetch`.

import * as job from 'wrapper:hook/job@0.1.0';
import { sendForHead } from 'wrapper:hook/localhost@0.1.0';
import { timeLeft } from 'wrapper:hook/plugin@0.1.0';

const PORT = 8080;
const SERVER = `localhost:${PORT}`;

// The kebab-case names of the WIT are camelCase here.
export const afterExit = { run: failing(tell) };

async function tell(status) {
  const outcome = describe(status);
  const duration = job.duration(); // a BigInt, as any u64; undefined where the job never started
  const after = duration === undefined ? '' : ` after ${duration} ms`;
  console.log(`${job.name()} ${outcome}${after}`);

  const duration_ms = duration === undefined ? null : Number(duration);
  const response = await post('/jobs', { job: job.name(), outcome, duration_ms });
  if (!response) {
    console.log(`nobody listens on ${SERVER}`);
  } else if (response.ok) {
    console.log(`${SERVER} answered ${response.status}`);
  } else {
    throw new Error(`${SERVER} answered ${response.status}`);
  }
}

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

/** The answer, or null where nobody listens. */
async function post(path, value) {
  const exchange = async () => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(`http://${SERVER}${path}`, { method: 'POST', headers, body: JSON.stringify(value) });
    await response.text(); // or the server would see its answer cut off
    return response;
  };
  try {
    // Not AbortSignal.timeout(): in this engine it does not end a request that has a body.
    return await Promise.race([exchange(), tooLate(Number(timeLeft()) - 200)]);
  } catch (error) {
    if (nobodyListens()) return null;
    throw new Error(`${SERVER}: ${error.message}`);
  }
}

/** `fetch` says the same of whatever goes wrong; the wrapper's own client knows a refused connection. */
function nobodyListens() {
  try {
    sendForHead({ method: 'HEAD', port: PORT, path: '/', headers: [], body: [], timeoutMs: 100 });
    return false;
  } catch (error) {
    return error.payload?.tag === 'refused';
  }
}

function tooLate(ms) {
  return new Promise((_, fail) => setTimeout(() => fail(new Error('no answer in time')), ms));
}

/** A hook fails by throwing its sentence as a string; an Error would be a trap. */
function failing(hook) {
  return async (...args) => {
    try {
      await hook(...args);
    } catch (error) {
      throw error.message ?? String(error);
    }
  };
}
