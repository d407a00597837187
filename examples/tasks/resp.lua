-- A small server that speaks RESP, the protocol of Redis.
--
--   lua5.4 examples/tasks/resp.lua [ADDRESS]
--   redis-cli -p 6380 set greeting hello

local libevent = require "libevent"

local longest = 1024 * 1024 -- bytes of a command
local store, commands = {}, {}

function commands.ping(text)
  return "+" .. (text or "PONG")
end

function commands.set(key, value)
  store[key] = value
  return "+OK"
end

function commands.get(key)
  local value = store[key]
  return value and ("$%d\r\n%s"):format(#value, value) or "$-1"
end

local function execute(name, ...)
  local ok, reply = pcall(commands[name:lower()] or error, ...)
  return ok and reply or ("-ERR cannot do %q"):format(name)
end

--- Returns the parts of the command at a place and what comes behind it;
-- nothing if it is not all there.
local function parse(data, from)
  local parts, n, at = {}, data:match("^%*(%d+)\r\n()", from)
  for i = 1, n or 0 do
    local length, start = data:match("^%$(%d+)\r\n()", at)
    if not length or #data < start + length + 1 then return end
    parts[i], at = data:sub(start, start + length - 1), start + length + 2
  end
  return parts[1] and parts, at
end

local function serve(stream)
  local rest = ""
  for more in function() return stream:read() end do
    local data, replies, at = rest .. more, {}, 1
    local parts, behind = parse(data, at)
    while parts do
      replies[#replies + 1] = execute(table.unpack(parts)) .. "\r\n"
      at = behind
      parts, behind = parse(data, at)
    end
    rest = data:sub(at)
    if #rest > longest or not stream:write(replies) then return end
  end
end

libevent.run(function()
  local server = assert(libevent.serve(arg[1] or "127.0.0.1:6380", serve))
  print("listening on " .. server:getsockname())
end)
