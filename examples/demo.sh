#!/bin/sh
# Runs the timer loop of the examples: until Ctrl-C on a terminal, else for a
# few ticks. The example gets Ctrl-C alone, as a job of its own, so that what
# called this script ends well.
set -eu

lua=${1:-lua5.4}
export LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/?.so;;'

if [ -t 0 ] && [ -t 1 ]; then
  echo "The timer loop of examples/timer.lua; Ctrl-C ends it."
  set -m
  "$lua" examples/timer.lua
else
  "$lua" examples/timer.lua 3
fi
echo "Done. Read examples/, then write your own."
