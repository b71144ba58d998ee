#!/usr/bin/env bash
# Builds the Dockerfile and runs the image, on a Debian machine without a container engine, as root:
#   apt-get install buildah debootstrap iproute2 && bash tests/tools/container_build.sh
# The base image is made from a debootstrap tree under the name that the Dockerfile asks for. What a site's own mirrors or
# certificates need is handed in: MIRROR (of Debian), BUILD_OPTIONS (for `buildah build`, such as --volume or --build-arg).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
base=docker.io/library/debian:bookworm-slim
image=localhost/ocpp-echonet
work=$(mktemp -d)
container=
cleanup() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

if ! buildah images --quiet "$base" >/dev/null 2>&1; then
    echo "== base image from debootstrap"
    debootstrap --variant=minbase bookworm "$work/root" ${MIRROR:+"$MIRROR"}
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/root" /
    buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet "$container" "$base"
    buildah rm "$container" >/dev/null
    container=
fi

echo "== build"
# shellcheck disable=SC2086 # several options
buildah build --pull-never --format docker ${BUILD_OPTIONS:-} --tag "$image" .

echo "== what the image says of itself"
inspect() { buildah inspect --type image --format "{{$1}}" "$image"; }
user=$(inspect .Docker.Config.User)
entry=$(inspect .Docker.Config.Entrypoint)
default=$(inspect .Docker.Config.Cmd)
echo "user $user, entrypoint $entry, command $default"
[ "$user" != 0 ] && [ "$user" != root ] && [ -n "$user" ]
[ "$entry" = "[ocpp-echonet]" ]
[[ $default = "[run "* ]]

echo "== and does"
container=$(buildah from --pull-never "$image")
in_container() { buildah run "$container" -- "$@"; }
[ "$(in_container id -u)" != 0 ]
in_container ocpp-echonet --version
in_container sh -c 'test -w /var/lib/ocpp-echonet'
# In a network of its own: chroot isolation shares the machine's, where other units may be running.
unshare --net bash -c 'ip link set lo up && exec "$@"' -- \
    buildah run "$container" -- ocpp-echonet demo
# Without a configuration the default command says so and fails.
if said=$(in_container ocpp-echonet run --config /etc/ocpp-echonet/site.yaml 2>&1); then
    echo "run without a configuration succeeded" >&2
    exit 1
fi
echo "$said" | grep site.yaml
echo "== all passed"
