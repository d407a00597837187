--- The addresses that a service listens to: some are shared by all workers, of
-- others each worker has its own.

local core = require "libevent.core"
local inherited = require "libevent.service.inherited"

local addresses = {}

local parse = core.evutil.parse_sockaddr_port

--- How an address differs from worker to worker: the address of each, and of
-- how many there is one.
local function each_of(text)
  local host, from, to = text:match "^(.*):(%d+)%-(%d+)$"
  from, to = math.tointeger(tonumber(from)), math.tointeger(tonumber(to))
  if from and to then
    return function(number)
      return ("%s:%d"):format(host, from + number - 1)
    end, to - from + 1
  elseif text:find "^unix:.*%%d" then
    return function(number)
      return (text:gsub("%%d", number))
    end
  end
end

--- Reads what `--listen` says.
---@param text string An address, with a range of ports where each worker has
-- one of its own, or a path with `%d` for its number.
---@return table? address With `text`; `each`: a function that returns the
-- address of a worker, nil where all share one; and `n`: how many have one.
---@return string? message
function addresses.read(text)
  local each, n = each_of(text)
  local ok, message = parse(each and each(1) or text)
  if ok and each and n then
    ok, message = parse(each(n))
    if n < 1 then
      ok, message = nil, "a range begins with its lower number"
    end
  end
  if not ok then
    return nil, ("'%s': %s"):format(text, message)
  end
  return { text = text, each = each, n = n }
end

--- The sockets of a service: listeners that accept nothing.
---@class libevent.supervisor.sockets
local Sockets = {}
Sockets.__index = Sockets

local function open(self, address, number)
  local text = address.each and address.each(number) or address.text
  local listener, message, code = self.base:listener(text, self.options)
  if not listener then
    return nil, ("%s: %s"):format(text, message), code
  end
  return listener
end

--- Whether each worker has a socket of its own for an address.
local function is_own(self, address)
  return address.each
    or self.options.reuseport and not address.text:find "^unix:"
end

--- Opens what is shared; inherited sockets are used as they are.
local function open_shared(self)
  for i, address in ipairs(self.addresses) do
    if not is_own(self, address) then
      local listener, message, code = open(self, address)
      if not listener then
        self:close()
        return nil, message, code
      end
      self.shared[i] = listener
    end
  end
  return self
end

--- Makes the sockets that workers share.
---@param base libevent.event_base
---@param list table[] As `addresses.read` returns them; none for what this
-- process has inherited.
---@param options table Of @{event_base:listener}.
---@return libevent.supervisor.sockets? sockets
---@return string? message
---@return integer? code
function addresses.open(base, list, options)
  options.disabled = true
  local self = setmetatable({
    base = base, addresses = list, options = options, shared = {}, own = {},
    inherited = #list == 0 and inherited.list() or {},
  }, Sockets)
  return open_shared(self)
end

--- Opens those of one worker, unless they are.
---@param number integer
---@return boolean? ok
---@return string? message
---@return integer? code
function Sockets:open(number)
  local own = self.own[number] or {}
  for i, address in ipairs(self.addresses) do
    if is_own(self, address) and not own[i] then
      if address.n and number > address.n then
        return nil, ("%s has no address for worker %d"):format(address.text,
          number), core.errno.ERANGE
      end
      local listener, message, code = open(self, address, number)
      if not listener then
        return nil, message, code
      end
      own[i] = listener
      self.own[number] = own
    end
  end
  return true
end

--- Returns what one worker is to inherit, in the order of the addresses.
---@param number integer
---@return libevent.object[] sockets None when they are closed.
---@return string names For LISTEN_FDNAMES.
function Sockets:of(number)
  local list, names, own = {}, {}, self.own[number] or {}
  for i in ipairs(self.addresses) do
    list[#list + 1] = self.shared[i] or own[i]
    names[#list] = "listen"
  end
  for _, each in ipairs(self.inherited) do
    if each.socket then
      list[#list + 1], names[#names + 1] = each.socket, each.name
    end
  end
  return list, table.concat(names, ":")
end

--- Returns the addresses of one worker, as the system has them.
---@param number integer
---@return string[] names
function Sockets:names(number)
  local names = {}
  for i, each in ipairs(self:of(number)) do
    names[i] = each:getsockname() or "?"
  end
  return names
end

local function close_all(list)
  for _, each in pairs(list or {}) do
    each:close()
  end
end

--- Closes those of one worker alone.
---@param number integer
function Sockets:close_own(number)
  close_all(self.own[number])
  self.own[number] = nil
end

--- Closes all; idempotent.
function Sockets:close()
  close_all(self.shared)
  for _, own in pairs(self.own) do
    close_all(own)
  end
  for _, each in ipairs(self.inherited) do
    if each.socket then
      each.socket:close()
    end
  end
  self.shared, self.own, self.inherited = {}, {}, {}
end

return addresses
