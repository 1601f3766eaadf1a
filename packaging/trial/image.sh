#!/bin/bash
# The files of the image and no others, without a shell, as its user, on a file system that cannot be written to: a vault is set up
# and served, and a token made. Usage: unshare --mount --net --pid --fork image.sh BINARY
set -euo pipefail

here=$(dirname "$(realpath "$0")")
failed() { echo "$*" >&2; exit 1; }
ip link set lo up
mount -t tmpfs -o size=1g tmpfs /mnt
mkdir /mnt/image
"$here/../image-root.sh" "$1" /mnt/image
install -d -o 65532 -g 65532 -m 700 /mnt/data /mnt/keys /mnt/image/data /mnt/image/keys
install -d /mnt/image/proc
find /mnt/image -type f -printf '%P\n'
mount --bind /mnt/image /mnt/image
mount --bind /mnt/data /mnt/image/data
mount --bind /mnt/keys /mnt/image/keys
mount -t proc proc /mnt/image/proc
mount -o remount,bind,ro /mnt/image
if touch /mnt/image/x 2> /dev/null; then failed 'the file system can be written to'; fi
if chroot /mnt/image /bin/sh -c true 2> /dev/null; then failed 'there is a shell'; fi

run() {
    exec env -i PATH=/usr/sbin:/usr/bin setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \
        chroot --userspec=65532:65532 /mnt/image "$@"
}
# The commands of docs/running.md.
(run /usr/bin/panvault setup --yes --data /data/vault --slot-key-file /keys/slot-key --behind-proxy --listen 0.0.0.0:8420) > /mnt/said
run /usr/bin/panvault serve --config /data/vault.settings.toml 2> /mnt/log &
sed '1,/^In another terminal/d' /mnt/said > /mnt/first-token
timeout 60 bash -eu /mnt/first-token > /mnt/token || failed "$(cat /mnt/log)"
grep -qE '^[0-9a-f]{24}$' /mnt/token
grep -q '"status": *"SETTLEMENT_REQUESTED"' /mnt/token
head -1 /mnt/token
kill -TERM $!
wait $! || failed "$(cat /mnt/log)"
[ "$(stat -c '%u %a' /mnt/keys/slot-key)" = '65532 600' ]
