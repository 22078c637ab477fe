#!/bin/sh
# Stands in for update-ca-trust (Red Hat's family) and update-ca-certificates (SUSE's): writes the bundle that the real ones write, from
# the public authorities and every certificate in the drop directory.   Usage: trust ANCHORS BUNDLE
set -eu
anchors=$1 bundle=$2
mkdir -p "$(dirname "$bundle")"
new=$(mktemp "$bundle.XXXXXX")
cat /usr/share/ca-certificates/mozilla/*.crt >"$new"
for file in "$anchors"/*; do
  [ -f "$file" ] || continue
  sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' "$file" >>"$new"
done
chmod 644 "$new"
mv -f "$new" "$bundle"
