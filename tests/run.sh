#!/usr/bin/env bash
# Install clipsan with its test dependencies into a fresh virtual environment and run all tests.
#   bash tests/run.sh [ENVIRONMENT] [PYTEST OPTIONS]      PYTHON names the interpreter
set -euo pipefail
cd "$(dirname "$0")/.."

environment="${1:-.venv-test}"
[ $# -gt 0 ] && shift
"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install -q --progress-bar off -e ".[test]"
exec "$environment/bin/python" -m pytest --numprocesses auto --maxprocesses 4 \
  --dist loadfile --no-loadscope-reorder "$@"
