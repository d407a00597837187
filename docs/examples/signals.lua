#!/usr/bin/env evrun
-- What the manual shows of signals.

local libevent = require "libevent"

--- signals:close
do
  local signals = libevent.signal("INT", "TERM", function(name)
    libevent.log.info("not now", { signal = name })
  end)
  libevent.sleep(0.001) -- what must not be interrupted
  signals:close()       -- Ctrl-C ends the program again
end
