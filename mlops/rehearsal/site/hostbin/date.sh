#!/bin/sh
# Stand-in for date: the real one, off by the seconds in /run/site/clock-offset, so that a test can give one host a wrong clock.
if [ -s /run/site/clock-offset ]; then
  for argument in "$@"; do
    case "$argument" in -d* | --date* | -r* | --reference*) exec /usr/bin/date "$@" ;; esac
  done
  read -r offset </run/site/clock-offset
  exec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + offset))" "$@"
fi
exec /usr/bin/date "$@"
