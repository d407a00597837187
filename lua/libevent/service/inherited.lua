--- What a process was given by the one that started it, as systemd does it:
-- `LISTEN_PID` is its number, `LISTEN_FDS` says how many descriptors there are
-- from 3 on, and `LISTEN_FDNAMES` what they are called.

local core = require "libevent.core"

local inherited = {}

local first = 3

--- Most descriptors that are looked at.
local most = 1024

--- Whether this process is meant, and not one that started it.
function inherited.is_meant()
  return tonumber(os.getenv "LISTEN_PID") == core.posix.getpid()
end

--- A number of the environment; nil where there is none.
function inherited.number(name)
  local value = inherited.is_meant() and os.getenv(name)
  return value and math.tointeger(tonumber(value)) or nil
end

local list

--- Takes the sockets over, so that no program that is started gets them.
local function take()
  list = {}
  local n = inherited.number "LISTEN_FDS" or 0
  local names = {}
  for name in ((os.getenv "LISTEN_FDNAMES" or "") .. ":"):gmatch "([^:]*):" do
    names[#names + 1] = name
  end
  for i = 1, math.min(n, most) do
    local fd = first + i - 1
    local socket, message = core.socket(fd)
    list[i] = { name = names[i] or "", fd = fd, socket = socket,
      message = message }
  end
  return list
end

--- Returns what was inherited, in order.
---@return table[] sockets Each with `name`, `fd`, and `socket`, or `message`
-- where that is none.
function inherited.list()
  return list or take()
end

--- Returns the one that is called so, or has that number.
---@param which string|integer
---@return table? entry
function inherited.find(which)
  for i, each in ipairs(inherited.list()) do
    if i == which or each.name == which then
      return each
    end
  end
end

return inherited
