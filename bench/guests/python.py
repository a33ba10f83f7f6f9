"""A hook in Python, to measure how long a plugin takes that brings its interpreter."""

from wit_world import exports
from wit_world.imports import log


class AfterExit(exports.AfterExit):
    def run(self, status):
        log.log(log.Level.INFO, "hello from Python")
