// A hook in JavaScript, to measure how long a plugin takes that brings its interpreter.

import { log } from 'wrapper:hook/log@0.1.0';

export const afterExit = {
  run(status) {
    log('info', 'hello from JavaScript');
  },
};
