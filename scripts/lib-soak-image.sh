# shellcheck shell=bash
# The image of the Dockerfile, built and started without a container engine; sourced by scripts/soak, after lib.sh.
#
# As root: buildah with chroot isolation, over a base that debootstrap makes from this machine's own mirror and
# that stays in build/soak/image for the next time.

# soak_image: builds it whole (compiler and all, some ten minutes), starts it in a network of its own and looks at it.
soak_image() {
  local work=$ROOT/build/soak/image status=0 started=$SECONDS
  [ "$(id -u)" = 0 ] || {
    say "image: not built, since a chroot needs root"
    return 1
  }
  install_missing image
  mkdir -p "$work"
  rm -rf "$work/store" "$work/run" "$work/context"
  image_build "$work" >"$work/log" 2>&1 || {
    tail -n 60 "$work/log"
    die "the image does not build"
  }
  step "The image, started"
  export ROOT
  export -f in_store image_look
  # Processes of its own, too: none outlives it.
  unshare -np --fork --mount-proc bash -euo pipefail -c "image_look '$work' '$(image_commit)'" || status=1
  in_store "$work" rm --all >/dev/null
  rm -rf "$work/store" "$work/run" "$work/context"
  say "image: built and looked at in $((SECONDS - started)) s, $([ $status = 0 ] && echo 'as it should be' || echo 'not as it should be')"
  return $status
}

image_commit() { git -C "$ROOT" describe --always --dirty '--exclude=*'; }

# in_store WORK WORDS...: buildah with a store of its own.
in_store() {
  local work=$1
  shift
  buildah --root "$work/store" --runroot "$work/run" --storage-driver overlay "$@"
}

# image_base FILE: a fresh Debian, of the release and from the mirror that this machine has.
image_base() {
  local codename mirror folder
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016  # apt's variables
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$codename" '$2 == release && $3 == "main" { print $1; exit }')
  folder=$(mktemp -d "$1.XXXXXX")
  debootstrap --variant=minbase "$codename" "$folder" "$mirror" &&
    tar -C "$folder" --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/archives/*.deb' -cf "$1.new" . &&
    mv "$1.new" "$1"
  rm -rf "$folder"
}

image_build() {
  local work=$1 container name
  [ -f "$work/base.tar" ] || image_base "$work/base.tar"
  [ -f "$work/base.tar" ] || return 1
  container=$(in_store "$work" from scratch)
  in_store "$work" add "$container" "$work/base.tar" /
  in_store "$work" config --cmd /bin/bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  in_store "$work" commit --rm "$container" base
  while read -r name; do in_store "$work" tag base "docker.io/library/$name"; done < <(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$ROOT/Dockerfile")
  # What is in the tree now, as a fresh clone would have it.
  mkdir "$work/context"
  git -C "$ROOT" ls-files -co --exclude-standard -z | tar -C "$ROOT" --null --ignore-failed-read -T - -cf - | tar -C "$work/context" -xf -
  in_store "$work" bud --isolation chroot --pull-never --format docker --build-arg COMMIT="$(image_commit)" \
    --tag iothub-emulator --file "$ROOT/Dockerfile" "$work/context"
}

# image_look WORK COMMIT: in a network of its own; fails where the image is not what the Dockerfile promises.
image_look() {
  local work=$1 commit=$2 container key entry emulator version
  local control=http://127.0.0.1:9400
  ip link set lo up
  container=$(in_store "$work" from --pull-never iothub-emulator)
  # `buildah run` knows no entry point.
  mapfile -t entry < <(in_store "$work" inspect --type image --format '{{range .Docker.Config.Entrypoint}}{{println .}}{{end}}' iothub-emulator)
  key=aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=
  in_store "$work" run --isolation chroot "$container" -- "${entry[@]}" --key $key >"$work/emulator.log" 2>&1 &
  emulator=$!
  curl -sS -f --retry 60 --retry-connrefused --retry-delay 1 "$control/ready" >/dev/null 2>&1 || {
    cat "$work/emulator.log"
    return 1
  }
  inside() { in_store "$work" run --isolation chroot "$container" -- "$@"; }
  local failed=0
  look() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@" >"$work/look" 2>&1; then echo "   ok      $what"; else
      failed=1
      echo "   FAILED  $what"
      sed 's/^/   | /' "$work/look"
    fi
  }
  version=$(curl -sS "$control/version")
  look "/version names the commit $commit" grep -F "\"$commit\"" <<<"$version"
  look "it runs as the user 10001" test "$(inside id -u)" = 10001
  look "HTTPS is on 443" grep -E 'HTTPS and WebSocket 443\b' "$work/emulator.log"
  look "the health check is well" inside iothub-emulator --health
  look "the registry is served by the CA of /tls" inside env \
    "IOTHUB_CONNECTION_STRING=HostName=localhost;SharedAccessKeyName=iothubowner;SharedAccessKey=$key" \
    iothub-service --ca /tls/ca.pem device create dev1
  look "no package of apt's stays" inside bash -c '! compgen -G "/var/cache/apt/archives/*.deb" && ! compgen -G "/var/cache/apt/*.bin"'
  look "no test is in it" inside bash -c '! ls /usr/local/bin | grep -vE "^iothub-(emulator|device|service)$"'
  kill "$(ss -Htlnp 'sport = :9400' | grep -o 'pid=[0-9]*' | tr -dc 0-9)"
  look "it ends by SIGTERM" wait $emulator
  echo "   size    $(in_store "$work" images --format '{{.Size}}' iothub-emulator)"
  return $failed
}
