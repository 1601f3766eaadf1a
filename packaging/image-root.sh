#!/bin/sh
# Lays out what the image has: the program, the libraries that it loads, and nothing else. Usage: image-root.sh BINARY DIRECTORY
set -eu

binary=$1 root=$2
install -D "$binary" "$root/usr/bin/panvault"
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D "$library" "$root$library"
done
