// Both hooks in one plugin.

export { afterExit } from './after_exit.js';
export { beforeStart } from './before_start.js';
