#!/bin/sh
# Builds Debian's Lua from its source package with checks that it lacks as
# installed: of the use of its API, of its own assertions, and, as `moving`, with
# a stack that moves whenever it may.
#
#   checked_lua.sh FOLDER checked|moving    prints the path of the program
set -eu

folder=$1
kind=$2
case $kind in
  checked) checks='-DLUA_USE_APICHECK -DLUAI_ASSERT' ;;
  moving) checks='-DLUA_USE_APICHECK -DLUAI_ASSERT -DHARDSTACKTESTS' ;;
  *) echo "usage: checked_lua.sh FOLDER checked|moving" >&2; exit 2 ;;
esac
mkdir -p "$folder"
cd "$folder"
program=$(pwd)/lua-$kind

version=$(dpkg-query -W -f '${source:Version}' lua5.4)
name=lua5.4_${version%-*}.orig.tar.gz
debian=lua5.4_$version.debian.tar.xz
pool=http://deb.debian.org/debian/pool/main/l/lua5.4
if [ ! -x "$program" ]; then
  for file in "$name" "$debian"; do
    [ -f "$file" ] || /usr/lib/apt/apt-helper download-file "$pool/$file" \
      "$file" >&2
  done
  if [ ! -d source ]; then
    rm -rf unpacked && mkdir unpacked
    tar xf "$name" -C unpacked --strip-components=1
    tar xf "$debian" -C unpacked
    while read -r patch; do
      patch -s -d unpacked -p1 < "unpacked/debian/patches/$patch"
    done < unpacked/debian/patches/series
    mv unpacked source
  fi
  sources=$(ls source/src/*.c | grep -v /luac.c)
  ${CC:-cc} -O2 -g -DLUA_COMPAT_5_3 -DLUA_USE_LINUX $checks -Isource/src \
    $sources -o "$program" -Wl,-E -lm -ldl
fi
echo "$program"
