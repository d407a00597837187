-- The time of day over UDP: a service that answers each datagram with the time,
-- and a client that asks it, again where no answer comes.
--
--   lua5.4 examples/tasks/time.lua [ADDRESS]
--   lua5.4 examples/tasks/time.lua ask ADDRESS

local libevent = require "libevent"

--- Seconds until a client asks again, and how often it does.
local patience, attempts = 1, 3

local function serve(address)
  local udp <close> = assert(libevent.udp(address))
  print("listening on " .. udp:getsockname())
  io.stdout:flush()
  while true do
    local question, peer = udp:recvfrom()
    if not question then
      print(peer)                        -- what became of a datagram before
    else
      udp:sendto(os.date "!%Y-%m-%dT%H:%M:%SZ\n", peer)
    end
  end
end

local function ask(address)
  local udp <close> = assert(libevent.udp(nil, {
    family = address:find "^%[" and "ipv6" or "ipv4",
  }))
  assert(udp:connect(address))           -- nobody else can answer
  local answer, message
  for _ = 1, attempts do
    udp:send "what time is it?"
    answer, message = udp:recvfrom(patience)
    if answer then
      io.write(answer)
      return
    end
  end
  error(message, 0)
end

local ok, message = pcall(libevent.run, function()
  local base = libevent.base()
  if arg[1] == "ask" then
    return ask(assert(arg[2], "an address is missing"))
  end
  base:signal("TERM", function()
    base:loopexit()
  end):add()
  serve(arg[1] or "127.0.0.1:9996")
end)
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
