--- What the fuzzer calls the functions of modules with, by their full names.

local libevent = require "libevent"
local posix = require "spec.posix"
local values = require "spec.fuzz.values"

local random = math.random
local pick, perhaps = values.pick, values.perhaps

local functions = {}

--- How many programs and supervisors a seed may still start.
functions.budget = { programs = 0, supervisors = 0 }

--- A folder for what is made; it goes with what is in it.
local folder = os.tmpname()
os.remove(folder)

local function moment()
  return random() * 0.001
end

local function body()
  return values.body
end

local function path()
  return folder .. "/" .. random(3)
end

--- Where somebody may listen, and where nobody does.
local function address()
  local ok, name = pcall(function()
    return values.some(pick { "server", "acceptor", "evconnlistener" })
      :getsockname()
  end)
  return pick { ok and name or nil, "127.0.0.1:0", "unix:" .. path(),
    "unix:@fuzz" .. random(3), "[::1]:0", "x" }
end

functions.address = address

local function server_options()
  return { connections = random(3), per_peer = random(3),
    idle = random() * 0.01, lifetime = random() * 0.01,
    linger = random() * 0.01 }
end

--- Whether one more may be started.
local function may_start(what)
  local budget = functions.budget
  if not libevent.running() or budget[what] == 0 then
    return false
  end
  budget[what] = budget[what] - 1
  return true
end

--- A program that ends, or waits for input or until it is killed.
local function program(options)
  local list = may_start "programs" and pick { { "true" }, { "cat" },
    { "sleep", "5" }, { "/" } } or {}
  for name, value in pairs(options) do
    list[name] = value
  end
  return list
end

functions.program = program

local function supervised()
  return {
    may_start "supervisors" and pick { "sleep", "true" } or nil, "5",
    workers = random(2), listen = perhaps { "127.0.0.1:0" },
    drain = moment(), heartbeat = pick { 0, moment() }, start = moment(),
    backoff = pick { 5, moment() }, on_death = values.callback,
    on_end = values.callback, write = values.callback,
  }
end

--- Arguments that make sense, and those that do no harm.
functions.arguments = {
  ["libevent.after"] = function() return moment(), values.body, "x" end,
  ["libevent.condition"] = function() return perhaps { "fuzz" } end,
  ["libevent.connect"] = function()
    return address(), { timeout = random() * 0.01 }
  end,
  ["libevent.console"] = function()
    return { path = path(), limit = random(1000), patience = moment() }
  end,
  ["libevent.defer"] = function() return values.callback end,
  ["libevent.drain"] = function() return nil, moment(), moment() end,
  ["libevent.evbuffer"] = function() return pick { "x", values.bytes() } end,
  ["libevent.event_base"] = function()
    return pick { nil, { priorities = 2 }, { avoid = { "epoll" } } }
  end,
  ["libevent.every"] = function()
    return moment() + 1e-6, perhaps { values.callback }
  end,
  ["libevent.listen"] = function() return address(), { linger = 0 } end,
  ["libevent.mutex"] = function() end,
  ["libevent.on_drain"] = body,
  ["libevent.pcall"] = body,
  ["libevent.queue"] = function() return perhaps { 1, 2 } end,
  ["libevent.scope"] = function()
    return function(scope)
      values.keep(scope, scope:spawn(values.body))
      return values.body()
    end
  end,
  ["libevent.semaphore"] = function() return random(0, 2) end,
  ["libevent.serve"] = function()
    return address(), values.body, server_options()
  end,
  ["libevent.signal"] = function()
    return "USR1", pick { "USR2", "HUP" },
      perhaps { values.callback }
  end,
  ["libevent.set_log_callback"] = function()
    return perhaps { values.callback }
  end,
  ["libevent.sleep"] = moment,
  ["libevent.socket_connect"] = function() return address(), address() end,
  ["libevent.socketpair"] = function() return random(2) == 1 end,
  ["libevent.spawn"] = body,
  ["libevent.supervisor"] = supervised,
  ["libevent.tasks"] = function() return values.some "event_base" end,
  ["libevent.timeout"] = function() return moment(), values.body end,
  ["libevent.udp"] = function() return perhaps { "127.0.0.1:0" } end,
  ["libevent.wait"] = function()
    return pick { values.pool.r, values.pool.w }, "rw", moment()
  end,
  ["libevent.evutil.date_rfc1123"] = function() return random(0, 1000) end,
  ["libevent.evutil.parse_sockaddr_port"] = address,
  ["libevent.evutil.secure_rng_get_bytes"] = function()
    return random(0, 100)
  end,
  ["libevent.evutil.socket_error_to_string"] = function()
    return random(200)
  end,
  ["libevent.isatty"] = function() return values.file end,
  ["libevent.log.enabled"] = function() return "info" end,
  ["libevent.log.format"] = function()
    return perhaps { "json", "text", "auto" }
  end,
  ["libevent.log.level"] = function() return perhaps { "debug" } end,
  ["libevent.log.limit"] = function() return random(0, 3), moment() end,
  ["libevent.log.output"] = function() return values.callback end,
  ["libevent.log.with"] = function() return { fuzz = values.any() } end,
  ["libevent.notify"] = function() return "READY=1" end,
  ["libevent.posix.lstat"] = function() return pick { "/", path() } end,
  ["libevent.posix.put"] = function() return values.file, "x" end,
  ["libevent.posix.readdir"] = function() return pick { "/", path() } end,
  ["libevent.posix.readlink"] = function() return "/proc/self/exe" end,
  ["libevent.posix.setname"] = function() return "fuzz" end,
  ["libevent.process.run"] = function()
    return program {}, perhaps { values.bytes() }
  end,
  ["libevent.process.start"] = function()
    return program { stdin = "stream", stdout = "stream", stderr = "null" }
  end,
  ["libevent.service.address"] = function() return address(), 1 end,
  ["libevent.service.status"] = function() return "fuzz" end,
}

--- A call that is never made with arguments at random, and why.
functions.only = {
  ["libevent.ignore_sigpipe"] = function() -- it would end this process
    return pick { nil, true, "x" }
  end,
  ["libevent.posix.ignore"] = function() -- such as CHLD, ALRM
    return pick { "USR2", "KILL", {} }
  end,
  ["libevent.posix.mkdir"] = function() -- of any name, here
    return pick { path(), path() .. "\0", {} }, pick { "0700", "7", "x" }
  end,
  ["libevent.posix.reap"] = function() -- what others wait for
    return pick { functions.children(), {} }
  end,
  ["libevent.traceback_on"] = function() -- such as ALRM
    return pick { "URG", "KILL", {} }
  end,
}

--- Calls that need something around them.
functions.instead = {
  -- A loop that waits may have nothing to wake it.
  ["libevent.run"] = function(run)
    if random(10) > 1 then
      return
    end
    return run(function(...)
      local base = libevent.base()
      base:timer(function() base:loopbreak() end):add(0.001)
      return values.body(...)
    end, "argument")
  end,
  -- It keeps the base.
  ["libevent.service.start"] = function(start)
    local base = libevent.base()
    local signal = start(pick { nil, { drain = moment() } })
    functions.service = base
    return signal
  end,
  -- A number at random may be a descriptor of somebody else.
  ["libevent.socket"] = function(socket)
    local one, other = posix.socketpair()
    posix.close(other)
    local ok, object, message, code = pcall(socket, one)
    if not ok or not object then
      posix.close(one)
      return error(ok and message or object)
    end
    return object, message, code
  end,
  -- It turns warnings on.
  ["libevent.track"] = function(track)
    local ok, message = pcall(track, pick { true, false, {} })
    warn "@off"
    return ok or error(message)
  end,
}

--- The children of this process; none where the system does not tell.
local function children()
  local list, pid = {}, libevent.posix.getpid()
  local name = ("/proc/%d/task/%d/children"):format(pid, pid)
  local file <close> = io.open(name)
  for number in (file and file:read "a" or ""):gmatch "%d+" do
    list[tonumber(number)] = true
  end
  return list
end

functions.children = children

--- Lets go of what outlives its base otherwise.
function functions.reset()
  libevent.set_log_callback(nil)
  libevent.log.output(function() end)
  for i = 1, 3 do
    os.remove(folder .. "/" .. i)
  end
  if functions.service then
    functions.service:close()
    functions.service = nil
  end
end

--- Makes that folder.
function functions.start()
  assert(libevent.posix.mkdir(folder, "0700"))
end

--- Removes what is left.
function functions.finish()
  os.execute("rm -rf " .. folder)
end

return functions
