#!/bin/sh
# Starts examples/notes/service.lua with ten workers on ten ports, talks to one,
# kills it, and shows that it is back.
set -eu

lua=${1:-lua5.4}
here=$(dirname "$0")
evrun=${EVRUN:-"$lua $here/../lua/evrun"}
name=demo-$$
export LIBEVENT_LOG_FORMAT=text

said=$(mktemp)
printed=$(mktemp)
monitor=
trap 'kill $monitor 2>/dev/null || :; rm -f "$said" "$printed"' EXIT

# Starts the service on ten ports, others if one of them is used.
start() {
  for first in 9001 19001 29001; do
    $evrun serve --name $name --listen 127.0.0.1:$first-$((first + 9)) \
      "$here/notes/service.lua" >"$printed" 2>"$said" </dev/null &
    monitor=$!
    if await 'all workers serve'; then
      return
    fi
  done
  cat "$said" >&2
  exit 1
}

# Waits for a line of the monitor, 10 seconds at most.
await() {
  i=0
  until grep -q "$1" "$said"; do
    i=$((i + 1))
    if [ $i = 200 ] || ! kill -0 $monitor 2>/dev/null; then
      return 1
    fi
    sleep 0.05
  done
}

# Says a line to worker 3, which must come back.
talk() {
  echo "  client > $1"
  answer=$(echo "$1" | "$lua" "$here/client.lua" 127.0.0.1:$((first + 2)))
  echo "  client < $answer"
  [ "$answer" = "$1" ]
}

status() {
  $evrun ctl $name status
}

start
echo "Ten workers, each with a port of its own, and a monitor:"
status | sed 's/^/  /'
talk 'hello'
worker=$(status | awk '$1 == 3 { print $3 }')
echo "Now worker 3 dies, as if it had freed one address twice: kill -SEGV $worker"
kill -SEGV "$worker"
talk 'are you back?'
await 'a worker died' || :
echo "The connection has waited for the new one. What the monitor says of it:"
grep 'a worker died' "$said" | sed 's/^/  /'
status | sed -n '2p;5p' | sed 's/^/  /'
sleep 1
echo "Each of them has a timer loop, which has printed so far:"
sort "$printed" | uniq -c | sed 's/^/  /'
kill -TERM $monitor
wait $monitor
echo "Done: the service has ended, with status 0. Read examples/, then write yours."
