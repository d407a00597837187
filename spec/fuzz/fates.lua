--- What the objects of a group do until they end: tasks wait in each way there
-- is, and connections have something to tell.

local groups = require "spec.fuzz.groups"
local libevent = require "libevent"
local objects = require "spec.objects"
local values = require "spec.fuzz.values"

local random, pick, keep = math.random, values.pick, groups.keep

local fates = {}

local function long()
  libevent.sleep(100)
end

local function shared()
  pick(groups.shared):wait()
end

local function scope(group)
  libevent.scope(function(made)
    keep(group, made)
    made:spawn(function()
      keep(group)
      pick { long, shared }()
    end)
    shared()
  end)
end

local function listener(group, base, ...)
  local made = keep(group, base:listener("127.0.0.1:0", ...))
  for _ = 1, 3 do
    keep(group, libevent.socket_connect((made:getsockname())))
  end
  return made
end

--- Kinds of objects, and what waits for them.
local calls = {
  { "condition", "wait", 50 },
  { "event", "wait" },
  { "evconnlistener", "accept" },
  { "stream", "read", 5 },
  { "stream", "sendfile", "/proc/self/exe" },
  { "stream", "write", ("x"):rep(4000000) },
  { "udp", "recvfrom" },
}

local function call(group, base)
  local kind, name, argument = table.unpack(pick(calls))
  local object = keep(group, objects.idle[kind](base))
  object[name](object, argument)
end

local waits = {
  call, call, call, call, call, call, call, long, shared, scope, error,
  coroutine.yield,
  function(group) libevent.timeout(pick { 0, 50 }, scope, group) end,
  function()
    pick(groups.shared):hold(libevent.running())
    long()
  end,
  function()
    local _ <close> = setmetatable({}, { __close = long })
    pick { long, error }()
  end,
  function()
    libevent.running():close()
    long()
  end,
  function(group, base)
    local new = objects.idle.stream
    keep(group, new(base)):relay(keep(group, new(base)))
  end,
  function(group, base)
    local accepts = listener(group, base)
    keep(group, accepts:accept(), accepts:accept())
    keep(group, accepts:accept(), accepts:accept())
  end,
  function(group, base) -- it does not end by itself, whenever that may be
    keep(group, base:process { "sleep", "1" }):wait()
  end,
  function(group) keep(group, values.some "task"):wait() end,
}

--- What a task does.
function groups.body(group, base)
  keep(group)
  pick(waits)(group, base)
  groups.act(group, random(0, 1))
end

--- Two connected ends.
local function ends(base, kind)
  if kind == "pair" then
    return base:pair()
  end
  local one, other = libevent.socketpair()
  return base[kind](base, one), base[kind](base, other)
end

local connections = {
  function(group, base)
    local fn = group.callback
    for _, each in ipairs {
      ends(base, pick { "stream", "bufferevent", "pair" })
    } do
      keep(group, each):setcb { read = fn, write = fn, event = fn }
      if values.is(each, "bufferevent") then
        each:enable "rw"
        each:input():add_cb(fn)
      end
      each:write(pick { "hello", values.long })
    end
  end,
  function(group, base)
    local reads, writes = ends(base, "stream")
    base:task(function()
      for _ in keep(group, reads):lines() do
        reads = nil -- the iterator alone has it
        groups.act(group, 1)
      end
    end)
    keep(group, writes):write "line\nline\nhello"
  end,
  function(group, base) listener(group, base, {}, group.callback) end,
  function(group, base)
    local udp = keep(group, base:udp "127.0.0.1:0")
    udp:setcb { read = group.callback }
    for _ = 1, 5 do
      udp:sendto("x", (udp:getsockname()))
    end
  end,
  function(group, base)
    local event = base:event((libevent.socketpair()), "rwp", group.callback)
    keep(group, event):add()
    base:defer(group.callback)
  end,
}

--- Lets a connection call back.
function fates.connect(group, base)
  pick(connections)(group, base)
end

return fates
