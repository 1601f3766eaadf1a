#!/bin/sh
# Makes what the parts of docker-compose.yml, or of kubernetes/, know each other by: a certificate authority of this deployment alone, certificates of
# the database, of what holds CVVs and of the nodes, and passwords. Usage: make-secrets.sh DIRECTORY [DAYS]. The directory must not be there.
#
# Run by root, each directory gets the user that reads it in the images: 999 the database and Redis, 65532 the nodes. After DAYS (398) certificates end.
set -eu
umask 077

directory=$1 days=${2:-398}
mkdir "$directory"
cd "$directory"
mkdir postgres redis node

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout ca.key -out ca.crt -days "$days" \
    -subj '/CN=Panvault deployment' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2> /dev/null

# A certificate for the names under which one is reached.
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$1/server.key" -out "$1/server.csr" -subj "/CN=$1" 2> /dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2" > "$1/extensions"
    openssl x509 -req -in "$1/server.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -extfile "$1/extensions" \
        -out "$1/server.crt" 2> /dev/null
    rm "$1/server.csr" "$1/extensions"
}
certificate postgres DNS:postgres,DNS:localhost
certificate redis DNS:redis,DNS:redis.panvault.svc,DNS:localhost
certificate node DNS:panvault,DNS:panvault.panvault.svc,DNS:localhost
cp ca.crt node/ca.crt

openssl rand -hex 32 > node/store-password
cp node/store-password postgres/password
openssl rand -hex 32 > node/cvv-store-password
# Nobody but the nodes, who may do what they do and no more, and on keys of their own. The server keeps only the hash.
hash=$(tr -d '\n' < node/cvv-store-password | openssl dgst -sha256 -r | cut -d ' ' -f 1)
cat > redis/users.acl << END
user default off
user panvault on #$hash resetchannels ~pv:* -@all +@connection +info +role +time +config|get +dbsize +flushdb +eval +evalsha +script|load +script|exists +get +mget +set +del +exists +expire +pexpire +pttl +hget +hset +hdel +hmget +hgetall +hincrby +zadd +zrem +zrange +zrangebyscore +zcard
END

if [ "$(id -u)" = 0 ]; then
    chown -R 999 postgres redis
    chown -R 65532 node
fi
