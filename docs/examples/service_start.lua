-- What the manual shows of a service that evrun does not run.

local libevent = require "libevent"
local service = libevent.service

--- service.start
do
  libevent.run(function()
    service.start { drain = 5 } -- Ctrl-C and systemctl stop end it well
    assert(libevent.serve(service.address "127.0.0.1:0", function(stream)
      stream:relay(stream)
    end))
    libevent.on_drain(function()
      print "the last guests may finish" --> the last guests may finish
    end)
    libevent.process.start { "sh", "-c", "kill -TERM $PPID" }
  end)
end
