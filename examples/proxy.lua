-- A TCP proxy: passes bytes on in both directions, and stops reading from one
-- side while the other takes them too slowly.
--
--   lua5.4 examples/proxy.lua 127.0.0.1:9997 127.0.0.1:9995

local libevent = require "libevent"

io.stdout:setvbuf "line"

local here = arg and arg[1] or "127.0.0.1:9997"
local there = arg and arg[2] or "127.0.0.1:9995"
local much, little = 1 << 18, 1 << 16    -- bytes queued: stop, and go on

local base = assert(libevent.event_base())

--- Passes on to 'to' what 'from' reads; 'over' knows whose input has ended.
local function relay(from, to, over)
  from:setcb {
    read = function()
      local pending = to:write(from:input())
      if not pending or pending > much then
        from:disable "r"
      end
    end,
    write = function()                   -- from's output is down to 'little'
      if not over[to] then
        to:enable "r"
      end
    end,
    event = function(_, what)
      if what == "connected" then
        return
      end
      over[from] = true
      if what == "eof" and not over[to] then
        to:shutdown "w"                  -- the other direction goes on
      else
        from:close()
        to:close()
      end
    end,
  }
  from:setwatermark("w", little)
  from:enable "r"
end

local listener = assert(base:listener(here, nil, function(_, socket)
  local client, server = base:bufferevent(socket), base:bufferevent()
  if not server:connect(there) then
    return client:close()
  end
  local over = {}
  relay(client, server, over)
  relay(server, client, over)
end))

print(("%s passes on to %s"):format(listener:getsockname(), there))
base:dispatch()
