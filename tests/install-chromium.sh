#!/bin/sh
# Debian's Chromium, for the test of the page: it plays H.264 and AAC, which the builds of Playwright do not.
# Without root, or where apt cannot get it, this says so and goes on: that test is then skipped aloud.
set -u

if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "no Chromium: install it (apt-get install chromium, as root) to have the page tested; its test will be skipped" >&2
    exit 0
fi
echo "installing Chromium for the test of the page" >&2
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core; } >/dev/null; then
    echo "no Chromium: apt-get could not install it; the test of the page will be skipped" >&2
fi
