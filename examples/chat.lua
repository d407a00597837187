-- A chat: what one says, line by line, all others hear.
--
--   lua5.4 examples/chat.lua 127.0.0.1:9996
--   nc 127.0.0.1 9996                   as often as you like

local libevent = require "libevent"

io.stdout:setvbuf "line"

local base = assert(libevent.event_base())
local names = {}                         -- of those who are here
local count = 0
local longest = 1000                     -- bytes in a line
local patience = 1 << 20                 -- bytes that wait for a slow reader

local function say(text, except)
  for bev in pairs(names) do
    if bev ~= except and (bev:write(text, "\n") or patience) >= patience then
      bev:close "now"                    -- gone, or too slow
      names[bev] = nil
    end
  end
end

local function leave(bev)
  local name = names[bev]
  names[bev] = nil
  bev:close()
  if name then
    say(("* %s has left"):format(name))
  end
end

local callbacks = {
  read = function(bev)
    local input = bev:input()
    for line in input:lines() do
      say(("<%s> %s"):format(names[bev], line), bev)
    end
    if #input > longest then
      leave(bev)
    end
  end,
  event = leave,
}

local listener = assert(base:listener(arg and arg[1] or "127.0.0.1:9996", nil,
  function(_, socket)
    local bev = base:bufferevent(socket)
    count = count + 1
    names[bev] = "guest " .. count
    bev:setcb(callbacks)
    bev:enable "r"
    bev:write(("* you are %s\n"):format(names[bev]))
    say(("* %s has come"):format(names[bev]), bev)
  end))

print("listening on " .. listener:getsockname())
base:dispatch()
