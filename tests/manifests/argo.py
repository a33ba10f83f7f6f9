"""Puts a Workflow, as JSON on stdin, to Argo's own types, where a field that they do not have is an error."""

import sys

from hera.workflows.models import Workflow

Workflow.model_validate_json(sys.stdin.read(), extra="forbid")
