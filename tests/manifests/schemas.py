"""Reads manifests, and puts each object to the strict schemas of every Kubernetes from 1.29 on.

One line of JSON for each object of the files named: the object, and why each version refuses it, nothing where it does not.
"""

import json
import sys

import kubernetes_validate
import yaml

versions = [version.rsplit(".", 1)[0] for version in kubernetes_validate.utils.all_versions()]
versions = versions[versions.index("1.29") :]


def refused(value, version):
    try:
        kubernetes_validate.validate(value, version, strict=True)
        return ""
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message


for file in sys.argv[1:]:
    with open(file) as text:
        for value in filter(None, yaml.safe_load_all(text)):
            answers = {version: refused(value, version) for version in versions}
            print(json.dumps({"file": file, "value": value, "refused": answers}))
