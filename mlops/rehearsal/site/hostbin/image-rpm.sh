#!/bin/sh
# Runs in a new image that stands in for a system with rpm: builds the tiny packages and their repositories, installs what a fresh host
# has, and puts the programs of Debian's package manager aside.
set -eu
cd /usr/lib/stand-in/recipe
rpmbuild -bb --quiet --define "_topdir $PWD/build" --define "_builddir $PWD" --define "_dbpath $PWD/db" specs/*.spec
# Debian's rpm keeps a data base per user
mkdir -p /etc/rpm /var/lib/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros.stand-in
rpm --initdb
fresh=''
while read -r repository installed name; do
  target=/usr/lib/stand-in/repository/$repository
  mkdir -p "$target"
  mv build/RPMS/*/"$name"-[0-9]*.rpm "$target"
  [ "$installed" = no ] || fresh="$fresh $(echo "$target/$name"-[0-9]*.rpm)"
done <packages
for repository in /usr/lib/stand-in/repository/*; do
  createrepo_c --quiet "$repository"
done
rm -f /etc/ssl/certs/ca-certificates.crt
# shellcheck disable=SC2086 # a list of files without spaces
rpm --install --replacefiles $fresh
cp os-release /usr/lib/os-release
mkdir -p /usr/lib/stand-in/debian
for program in apt apt-cache apt-get apt-mark dpkg-query update-ca-certificates; do
  mv "$(command -v "$program")" /usr/lib/stand-in/debian/
done
rm -rf /usr/lib/stand-in/recipe
