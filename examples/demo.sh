#!/bin/sh
# Starts examples/service.lua, talks to it as a client and shows what both say.
set -eu

lua=${1:-lua5.4}
here=$(dirname "$0")

said=$(mktemp)
"$lua" "$here/service.lua" 127.0.0.1:0 >"$said" 2>&1 &
service=$!
trap 'kill $service 2>/dev/null || :; rm -f "$said"' EXIT

# Waits for a line of the service, 10 seconds at most.
await() {
  i=0
  until grep -q "$1" "$said"; do
    i=$((i + 1))
    if [ $i = 200 ] || ! kill -0 $service 2>/dev/null; then
      cat "$said" >&2
      exit 1
    fi
    sleep 0.05
  done
}

await '^listening on '
address=$(sed -n 's/^listening on //p' "$said")
echo "The timer loop and the listener run in one process, at $address."
for line in 'hello' 'is anybody there?'; do
  echo "client   > $line"
  answer=$(echo "$line" | "$lua" "$here/client.lua" "$address")
  echo "client   < $answer"
  [ "$answer" = "$line" ]
done
await '^sub process!'
kill -TERM $service
wait $service
sed 's/^/service  : /' "$said"
echo "Done. Read examples/, then write your own."
