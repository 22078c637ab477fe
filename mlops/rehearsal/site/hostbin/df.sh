#!/bin/sh
# Stand-in for `df -Pk PATH`: the real one would tell of the disk of the machine that holds this host; what the host's facts say is in
# /run/site/var. Other file systems (a small one that a test put somewhere) and other ways of asking are the real one's.
if [ "$#" = 2 ] && [ "$1" = -Pk ] && [ -r /run/site/var ]; then
  read -r size used free percent </run/site/var
  exec /usr/bin/df "$@" | sed "s,^overlay .* \(/.*\)$,overlay $size $used $free $percent \1,"
fi
exec /usr/bin/df "$@"
