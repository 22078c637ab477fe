#!/bin/sh
# Runs in a new image of Debian's family: builds the tiny packages, makes them its only package source and installs what a fresh host has.
set -eu
cd /usr/lib/stand-in/recipe
repository=/usr/lib/stand-in/repository/base
mkdir -p "$repository"
for tree in trees/*; do
  dpkg-deb --root-owner-group --build "$tree" "$repository" >/dev/null
done
cd "$repository"
for package in *.deb; do
  dpkg-deb --field "$package"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$package" "$(stat -c %s "$package")" "$(sha256sum "$package" | cut -d ' ' -f 1)"
done >Packages
while read -r _ installed name; do
  [ "$installed" = no ] || dpkg --install "$name"_*.deb >/dev/null
done </usr/lib/stand-in/recipe/packages
echo "deb [trusted=yes] file:$repository ./" >/etc/apt/sources.list
rm -rf /usr/lib/stand-in/recipe
