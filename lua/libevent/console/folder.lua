--- Where the sockets of a user's consoles stand: `NAME.PID.sock`, in a folder
-- that nobody else may enter.

local core = require "libevent.core"

local posix = core.posix
local ECONNREFUSED, EEXIST = core.errno.ECONNREFUSED, core.errno.EEXIST
local ENOENT, EPERM = core.errno.ENOENT, core.errno.EPERM

local folder = {}

--- Seconds after which a socket that nobody listens to is one of a dead
-- process: a new one may not listen yet.
local fresh = 5

--- Tells whether a console, or a service, may be called so.
---@param name string
---@return boolean ok
function folder.is_name(name)
  return name:find "^[%w_-]+$" ~= nil
end

--- What a name consists of, for messages.
folder.naming = "letters, digits, _ and - expected"

--- Returns the path of the folder: below `XDG_RUNTIME_DIR`, if that is a folder
-- of this user, else in `/tmp`.
---@return string path
function folder.path()
  local uid = posix.geteuid()
  local runtime = os.getenv "XDG_RUNTIME_DIR"
  local status = runtime and runtime:find "^/" and posix.lstat(runtime)
  if status and status.type == "directory" and status.uid == uid then
    return runtime .. "/evrun"
  end
  return "/tmp/evrun-" .. uid
end

--- Checks that the folder is one of this user, and that nobody else has access.
---@param path string
---@return boolean? ok
---@return string? message
---@return integer? code An errno value, `EPERM` where it is not.
function folder.check(path)
  local status, message, code = posix.lstat(path)
  if not status then
    return nil, path .. ": " .. message, code
  end
  local wrong
  if status.type ~= "directory" then
    wrong = "is not a folder, but a " .. status.type
  elseif status.uid ~= posix.geteuid() then
    wrong = "belongs to user " .. status.uid
  elseif not status.mode:find "00$" then
    wrong = ("lets others in: its mode is %s, not 0700"):format(status.mode)
  end
  if wrong then
    return nil, ("%s %s"):format(path, wrong), EPERM
  end
  return true
end

--- Makes the folder, unless it is there; then it must be as it should.
---@param path string
---@return boolean? ok
---@return string? message
---@return integer? code
function folder.make(path)
  local ok, message, code = posix.mkdir(path, "0700")
  if not ok and code ~= EEXIST then
    return nil, path .. ": " .. message, code
  end
  return folder.check(path)
end

--- Returns the path of the socket of a process that is called so.
---@param name string
---@param pid integer
---@return string path
function folder.socket(name, pid)
  return ("%s/%s.%d.sock"):format(folder.path(), name, pid)
end

--- Returns the sockets in the folder, those of dead processes too.
---@return table[]? sockets Each with `name`, `pid` and `path`, in that order.
---@return string? message Why the folder cannot be trusted.
function folder.list()
  local path = folder.path()
  local ok, message, code = folder.check(path)
  if code == ENOENT then
    return {}
  elseif not ok then
    return nil, message
  end
  local names, why = posix.readdir(path)
  if not names then
    return nil, path .. ": " .. why
  end
  local list = {}
  for _, file in ipairs(names) do
    local name, digits = file:match "^([%w_-]+)%.(%d+)%.sock$"
    local pid = math.tointeger(tonumber(digits))
    if pid then
      list[#list + 1] = { name = name, pid = pid, path = path .. "/" .. file }
    end
  end
  table.sort(list, function(a, b)
    if a.name ~= b.name then
      return a.name < b.name
    end
    return a.path < b.path
  end)
  return list
end

--- Whether nobody listens to a socket.
local function is_stale(path)
  local status = posix.lstat(path)
  if not status or status.type ~= "socket"
      or os.time() - status.mtime < fresh then
    return false
  end
  local socket, _, code = core.socket_connect("unix:" .. path)
  if socket then
    socket:close()
  end
  return code == ECONNREFUSED
end

--- Removes the sockets of dead processes.
function folder.sweep()
  for _, each in ipairs(folder.list() or {}) do
    local address = core.evutil.parse_sockaddr_port("unix:" .. each.path)
    if address and is_stale(each.path) then
      os.remove(each.path)
    end
  end
end

return folder
