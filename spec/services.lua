--- Services that specs start with `evrun serve`, watch and talk to, in tasks.

local assert = require "luassert"
local folders = require "spec.console.folders"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"
local protocol = require "libevent.console.protocol"
local remote = require "libevent.console.remote"

local services = {}

---@class spec.service
local Service = {}
Service.__index = Service

--- What most workers run: it answers lines, and ends as one wants it to.
services.app = [[
  local libevent = require "libevent"
  local service = libevent.service
  local number = service.worker()
  local does = {
    exit = function() os.exit(3) end,
    hang = function() while true do end end,
    number = function() return number end,
    pid = function() return libevent.posix.getpid() end,
    sleep = function() libevent.sleep(0.3) return "slept" end,
  }
  for i = 1, math.max(1, service.sockets()) do
    assert(libevent.serve(service.address("127.0.0.1:0", i), function(stream)
      for line in stream:lines() do
        local word = does[line]
        stream:write(word and word() or line, "\n")
      end
    end))
  end
]]

--- So many ports in a row that nobody listens to, as an address.
function services.range(n)
  local base = libevent.base()
  while true do
    local first, list = math.random(10000, 30000), {}
    for i = 0, n - 1 do
      list[i + 1] = base:listener(("127.0.0.1:%d"):format(first + i),
        { disabled = true })
    end
    for _, each in pairs(list) do
      each:close()
    end
    if #list == n then
      return ("127.0.0.1:%d-%d"):format(first, first + n - 1), first
    end
  end
end

--- Collects what the monitor and its workers say.
local function listen(self)
  for line in self.program.stderr:lines() do
    self.lines[#self.lines + 1] = line
    self.said:broadcast()
  end
  self.said:broadcast()
end

--- Starts a service. Its options are those of the command line, in one string;
-- shell commands before it may set `wrapper`, arguments may follow it, and
-- descriptors be passed on to it.
function services.start(app, options, shell, arguments, fds)
  local top, removed = folders.new()
  local script = top .. "/app.lua"
  local self = setmetatable({ top = top, removed = removed, script = script,
    name = (options or ""):match "%-%-name (%S+)" or "app",
    lines = {}, said = libevent.base():condition "a line" }, Service)
  self:rewrite(app)
  self.program = assert(libevent.process.start { "sh", "-c",
    ("ulimit -c 0; %s exec $wrapper %s lua/evrun serve %s %s %s")
      :format(shell or "", interpreter.lua, options or "", script,
      arguments or ""),
    stdin = "null", stdout = "stream", stderr = "stream",
    fds = fds or {}, parent_ends = "KILL",
    setenv = { XDG_RUNTIME_DIR = top, LUA_PATH = os.getenv "LUA_PATH",
      LUA_CPATH = os.getenv "LUA_CPATH" } })
  self.pid = self.program:pid()
  self.listening = libevent.spawn(listen, self)
  return self
end

--- Puts another script in the place of that of the workers.
function Service:rewrite(app)
  local file <close> = assert(io.open(self.script, "w"))
  file:write(app)
end

--- Waits for a line that matches, among those that were not waited for yet;
-- returns what it captures.
function Service:await(pattern, seconds)
  self.at = self.at or 0
  while true do
    while self.at < #self.lines do
      self.at = self.at + 1
      if self.lines[self.at]:find(pattern) then
        return self.lines[self.at]:match(pattern)
      end
    end
    if not self.said:wait(seconds or 20) then
      error(("no line matches %s:\n%s"):format(pattern, table.concat(self.lines,
        "\n")), 2)
    end
  end
end

--- All that was said.
function Service:text()
  return table.concat(self.lines, "\n")
end

--- Has the monitor do something.
function Service:ask(verb, n, now)
  local path = ("%s/evrun/%s.%d.sock"):format(self.top, self.name, self.pid)
  local link <close> = assert(remote.connect(path, self.name, 20))
  local answer = assert(link:request("M", protocol.pack { verb = verb, n = n,
    now = now }))
  return answer.ok, answer.message
end

--- Waits until all workers serve; returns their status.
function Service:ready()
  self:await "all workers serve"
  return self:ask "status"
end

--- Waits until all serve, and older ones are gone.
function Service:settle()
  for i in ipairs(self:ask "status".workers) do
    self:until_worker(i, function(worker)
      return worker.state == "ready" and worker.leaving == 0
    end)
  end
end

--- Waits until something holds of the status of a worker.
function Service:until_worker(number, holds)
  while true do
    local worker = self:ask "status".workers[number]
    if worker and holds(worker) then
      return worker
    end
    libevent.sleep(0.01)
  end
end

--- Runs a command of evrun; returns its output and exit status.
function Service:evrun(words, input)
  local result = assert(libevent.process.run({ "sh", "-c",
    ("exec %s lua/evrun %s 2>&1"):format(interpreter.lua, words),
    setenv = { XDG_RUNTIME_DIR = self.top } }, input))
  return result.stdout, result.what
end

--- Says a line to an address, and returns the answer.
function services.ask(address, line)
  local stream <close>, message = libevent.connect(address, { timeout = 20 })
  if not stream then
    return nil, message
  end
  stream:write(line, "\n")
  return stream:read("l", 20)
end

--- Waits for the end of the monitor; returns how that was.
function Service:wait(seconds)
  local how, what, core = self.program:wait(seconds or 30)
  self.listening:wait(5)
  return how, what, core
end

--- Ends it well, and leaves nothing behind.
function Service:stop(status)
  self.program:kill "TERM"
  assert.same({ "exit", status or 0 }, { self:wait() }, self:text())
  self:check_gone()
  self:close()
end

--- Nothing is left of it: no worker and no socket.
function Service:check_gone()
  for _, pid in ipairs(self:workers()) do
    local file = io.open(("/proc/%d/cmdline"):format(pid))
    local line = file and file:read "a" or "" -- another may have its number
    assert.is_nil(line:find(self.script, 1, true), pid)
  end
  assert.same({}, libevent.posix.readdir(self.top .. "/evrun"))
end

--- The processes of all workers that were ever told of.
function Service:workers()
  local list = {}
  for pid in self:text():gmatch '"pid":(%d+),[^\n]*"worker":' do
    list[#list + 1] = tonumber(pid)
  end
  return list
end

function Service:close()
  self.program:close()
  if self.removed then
    getmetatable(self.removed).__close()
    self.removed = nil
  end
end

Service.__close = Service.close

return services
