#!/bin/sh
# Compiles the packages of the workspace for the simulator. What others wrote is built as for any other test, and shared.
exec "$@" --cfg sse_sim
