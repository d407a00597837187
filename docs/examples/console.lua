#!/usr/bin/env evrun
-- What the manual shows of consoles.

local libevent = require "libevent"

local path = os.tmpname()
os.remove(path)

--- console:getsockname
do
  local console <close> = assert(libevent.console { path = path })
  local attach = libevent.process.run({ "evrun", "attach",
    console:getsockname() }, "collectgarbage 'count' < 1e6\n")
  print(attach.stdout:match "%a+") --> true
end

--- console:close
do
  local console = assert(libevent.console { path = path })
  libevent.sleep(0.001) -- as long as somebody may look inside
  console:close()
  print(io.open(path)) --> nil, …: No such file or directory, 2
end
