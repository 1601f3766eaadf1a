#!/bin/bash
# The package, installed, set up, served as its unit says, asked for a token, and purged. The machine's files are below a layer that
# goes with this process. Usage: unshare --mount --net --pid --fork installed.sh PACKAGE
set -euo pipefail

if [ -z "${INSIDE:-}" ]; then
    mount -t tmpfs -o size=1g tmpfs /mnt
    mkdir /mnt/up /mnt/work /mnt/all
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/all
    mount -t proc proc /mnt/all/proc
    mount --rbind /dev /mnt/all/dev
    mount -t tmpfs tmpfs /mnt/all/tmp
    mount -t tmpfs tmpfs /mnt/all/run
    ip link set lo up
    cp "$0" /mnt/all/tmp/trial.sh
    cp "$1" /mnt/all/tmp/panvault.deb
    exec env -i INSIDE=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C chroot /mnt/all /bin/bash /tmp/trial.sh
fi

cd /tmp
unit=/usr/lib/systemd/system/panvault.service
failed() { echo "$*" >&2; exit 1; }
is() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ] || failed "$1 is $(stat -c '%U:%G %a' "$1") and not $2"; }

echo "-- install"
begun=$SECONDS
dpkg --install panvault.deb > installed
grep -q 'run panvault setup' installed
is /etc/panvault 'root:panvault 750'
is /etc/panvault/keys 'panvault:panvault 700'
is /var/lib/panvault 'panvault:panvault 700'
if command -v man > /dev/null; then
    if man -l --warnings /usr/share/man/man1/panvault.1.gz 2>&1 > /dev/null | grep .; then failed 'the manual page has faults'; fi
fi

echo "-- the unit"
if systemd-analyze --version > /dev/null 2>&1; then
    systemd-analyze --man=no verify "$unit"
    # In tenths: it may not become less hardened than this.
    systemd-analyze security --offline=yes --no-pager --threshold=17 "$unit" > exposure || failed "$(tail -1 exposure)"
    tail -1 exposure
else
    echo "skipped: systemd-analyze is not on this machine"
fi

echo "-- set up"
panvault setup --yes --name 'Example Ltd' > said
grep -q '^  systemctl enable --now panvault$' said
is /etc/panvault/panvault.toml 'root:panvault 640'
is /etc/panvault/keys/vault.slot-key 'panvault:panvault 600'
is /var/lib/panvault/vault 'panvault:panvault 700'
if panvault setup --yes --name 'Example Ltd' 2> refused; then failed 'a second vault was made over the first'; fi
grep -q '/var/lib/panvault/vault holds a vault already' refused

echo "-- serve, as the unit does: a user without rights, on files that cannot be changed"
mount --bind /var/lib/panvault /var/lib/panvault
mount -o remount,bind,ro /
if touch /etc/panvault/x 2> /dev/null; then failed 'the file system can be written to'; fi
read -r -a start <<< "$(sed -n 's/^ExecStart=//p' "$unit")"
# Some sandboxes raise no limits.
memory=locked
prlimit --memlock=unlimited true 2> /dev/null || { memory=unlocked; echo "skipped: locked memory, whose limit cannot be raised here"; }
limits=(prlimit --core=0)
[ $memory = unlocked ] || limits+=(--memlock=unlimited)
"${limits[@]}" setpriv --reuid=panvault --regid=panvault --init-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all strace -f -qq -o trace "${start[@]}" 2> log &
sed '1,/^In another terminal/d' said > first-token
timeout 60 bash -eu first-token > token || failed "$(cat log)"
grep -qE '^[0-9a-f]{24}$' token
grep -q '"status": *"SETTLEMENT_REQUESTED"' token
echo "a first token $((SECONDS - begun)) s after the installation began: $(head -1 token)"
# Not strace itself, which would let go of it.
kill -TERM "$(pgrep --parent $!)"
wait $! || failed "$(cat log)"
[ $memory = unlocked ] || grep -q '"memory_locked":true' log
grep -q 'server.stopped' log

echo "-- what it called, held against the unit's filter"
sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' trace | sort -u > called
[ "$(wc -l < called)" -gt 30 ]
if grep -E 'PROT_WRITE\|PROT_EXEC|PROT_EXEC\|PROT_WRITE' trace; then failed 'memory is both written to and run'; fi
if systemd-analyze --version > /dev/null 2>&1; then
    expand() {
        systemd-analyze --no-pager syscall-filter "$1" | sed -nE 's/^ +([@a-z0-9_-]+)$/\1/p' | while read -r name; do
            case $name in
                @*) expand "$name" ;;
                *) echo "$name" ;;
            esac
        done
    }
    filter=$(sed -n 's/^SystemCallFilter=//p' "$unit")
    for set in $filter; do case $set in ~*) ;; *) expand "$set" ;; esac; done | sort -u > allowed
    for set in ${filter#*~}; do expand "$set"; done | sort -u > denied
    comm -23 allowed denied > may
    # Whoever is in no set is known to systemd and not to its list.
    refused=$(comm -23 called may)
    [ -z "$refused" ] || failed "the unit would refuse: $refused"
fi

echo "-- install again, and purge: the vault stays"
mount -o remount,bind,rw /
dpkg --install panvault.deb > again
grep -q 'systemctl restart panvault' again
dpkg --purge panvault > purged
grep -q 'Left for you to remove' purged
[ ! -e /usr/bin/panvault ]
is /var/lib/panvault/vault/vault.toml 'panvault:panvault 600'
is /etc/panvault/keys/vault.slot-key 'panvault:panvault 600'
[ -e /etc/panvault/panvault.toml ]
