#!/bin/sh
# Serves this folder with whatever is there. Node also reloads open pages when a file changes.
port="${PORT:-3000}"
if command -v node >/dev/null 2>&1; then
  exec node server.mjs
elif command -v python3 >/dev/null 2>&1; then
  exec python3 -m http.server "$port"
elif command -v busybox >/dev/null 2>&1; then
  exec busybox httpd -f -p "$port" -h .
else
  echo "Neither Node nor Python is installed, and one of them is needed to serve this folder." >&2
  exit 127
fi
