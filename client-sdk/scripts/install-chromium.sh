#!/usr/bin/env bash
# Installs what the browser test needs, where it is not there: Debian's chromium. Does nothing, and says so, where that cannot
# be; the test is skipped then.
set -euo pipefail
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
  exit 0
fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "no Chromium, and no apt-get to install it as root: the browser test will be skipped"
  exit 0
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium
