--- Lets others look inside: `evrun attach`, `evrun ps` and `evrun top`, of the
-- same user.
-- @within libevent

local core = require "libevent.core"
local folder = require "libevent.console.folder"
local listen = require "libevent.listen"
local log = require "libevent.log"
local options = require "libevent.options"
local task = require "libevent.task"
local terminal = require "libevent.console.terminal"

local console = {}

--- Listens on a unix socket of mode 0600 for those who look inside. Made by
-- @{libevent.console}.
---@class libevent.console
local Console = { __name = "libevent.console" }
Console.__index = Console

--- Those that were made.
local consoles = setmetatable({}, { __mode = "k" })

local kinds = {
  name = "string", path = "string", limit = "count", patience = "seconds",
}

--- Instructions that an input may run, and seconds that a task which prints
-- waits for who reads that.
local limit, patience = 100000000, 10

--- Who may be connected at a time.
local most = 32

--- Seconds between two looks at how late the loop is.
local probing = 0.1

-- Whether a console lets a user in.
function console.permits(uid, own)
  return uid == own or uid == 0
end

--- Lets somebody in, or not.
local function admit(self, socket)
  local pid, uid = socket:peercred()
  local n = 0
  for _ in pairs(self.clients) do
    n = n + 1
  end
  if not pid or not console.permits(uid, core.posix.geteuid()) then
    log.warn("a user may not attach", {
      console = self.path, uid = pid and uid, pid = pid,
      error = not pid and uid or nil,
    })
  elseif n >= most then
    terminal.new(self, socket):finish "too many are attached"
    return
  else
    self.clients[terminal.new(self, socket)] = true
    return
  end
  socket:close()
end

-- How many are attached to the consoles of a base.
function Console:terminals()
  local n = 0
  for each in pairs(consoles) do
    if each.base == self.base then
      for _ in pairs(each.clients) do
        n = n + 1
      end
    end
  end
  return n
end

-- Measures for one more, unless the script does so by itself.
function Console:measure()
  self.measuring = self.measuring + 1
  if self.measuring > 1 or self.base:counters().busy then
    return
  end
  self.base:measure()
  self.measured = self.base:counters().since
  self.probe = self.base:timer(function(timer)
    timer:add(probing)
  end)
  self.probe:background()
  self.probe:add(probing)
end

-- Whether it is still this console that measures, and not the script.
local function is_own_measure(self)
  return not self.base:is_closed()
    and self.base:counters().since == self.measured
end

-- Measures for one less.
function Console:unmeasure()
  self.measuring = self.measuring - 1
  if self.measuring == 0 and self.probe then
    self.probe:close()
    self.probe = nil
    if is_own_measure(self) then
      self.base:measure(false)
    end
  end
end

--- Returns the path of its socket.
---@return string path
function Console:getsockname()
  return self.path
end

--- Ends it: those who are attached are told so, their inputs are canceled, and
-- the file of the socket is removed; idempotent.
function Console:close()
  self.listener:close()
  consoles[self] = nil
  local list = {}
  for client in pairs(self.clients) do
    list[#list + 1] = client
  end
  for _, client in ipairs(list) do
    client:finish "the console was closed"
  end
end

Console.__close = Console.close

function Console:__tostring()
  return "libevent.console: " .. self.path
end

local function bad(message)
  error(("bad argument #1 to 'console' (%s)"):format(message), 3)
end

--- The path of the socket that a name stands for.
local function path_of(name)
  local ok, message, code = folder.make(folder.path())
  if not ok then
    return nil, "console: " .. message, code
  end
  folder.sweep()
  return folder.socket(name, core.posix.getpid())
end

--- A listener that only this user may connect to.
local function listen_at(base, path, callback)
  local address, wrong = core.evutil.parse_sockaddr_port("unix:" .. path)
  if not address then
    return nil, "console: " .. wrong, core.errno.ENAMETOOLONG
  end
  local listener, message, code = base:listener(address, { mode = "0600" },
    callback)
  if not listener then
    return nil, ("console %s: %s"):format(path, message), code
  end
  listener:background()
  listen.spare(listener)
  return listener
end

local function open(given)
  local path, message, code = given.path, nil, nil
  if not path then
    path, message, code = path_of(given.name)
  end
  if not path then
    return nil, message, code
  end
  local base = task.base()
  local self = setmetatable({
    base = base, path = path, name = given.name,
    limit = given.limit or limit, patience = given.patience or patience,
    since = base:now(), clients = {}, measuring = 0,
  }, Console)
  self.listener, message, code = listen_at(base, path, function(_, socket)
    admit(self, socket)
  end)
  if not self.listener then
    return nil, message, code
  end
  consoles[self] = true
  return self
end

--- Lets others of the same user, and root, look inside this process: by
-- `evrun attach`, which types into it, `evrun ps` and `evrun top`. That does
-- not keep the loop running, and goes on while the program drains.
---@param given table One of
-- - `name`: string of letters, digits, `_` and `-`: the socket is
--   `NAME.PID.sock` in `$XDG_RUNTIME_DIR/evrun` or `/tmp/evrun-UID`, a folder
--   with mode 0700, which is made;
-- - `path`: string, that of the socket;
--
-- and any of:
-- - `limit`: integer, about how many instructions an input may run before it is
--   stopped, 100 million by default;
-- - `patience`: seconds that a task which prints waits for a terminal that does
--   not read, before that is cut off, 10 by default.
---@return libevent.console? console
---@return string? message
---@return integer? code An errno value, `EPERM` where the folder may be entered
-- by others.
function console.console(given)
  local own = options.deal("console", 1, given, kinds)
  if (own.name == nil) == (own.path == nil) then
    bad "option 'name' or 'path' expected"
  elseif own.name and not folder.is_name(own.name) then
    bad("option 'name': " .. folder.naming)
  end
  return open(own)
end

-- Does that for `evrun --console`.
function console.listen(name)
  if not folder.is_name(name) then
    error(("'%s' is no name for a console: %s"):format(name, folder.naming), 0)
  end
  return open { name = name }
end

return console
