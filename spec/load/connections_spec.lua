-- What one server bears: many connections, much data, and peers that misbehave.
-- The server is examples/listener.lua, in a process of its own.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local share = helper.sanitized and 10 or 1

--- So many, but a tenth where everything is slower.
local function many(n)
  return n // share
end

local function serve(shell)
  return program.serve("examples/listener.lua 127.0.0.1:0", shell, 240)
end

--- Connects n bufferevents; calls fn(bev) when each is connected.
local function connect(base, address, n, callbacks)
  local connections = {}
  for i = 1, n do
    local bev = base:bufferevent()
    bev:setcb(callbacks)
    bev:enable "r"
    assert(bev:connect(address))
    connections[i] = bev
  end
  return connections
end

--- Runs the loop until done() is true, 60 seconds at most.
local function run_until(base, done)
  local limit = base:now() + 60
  local timer = base:timer(function(timer)
    timer:add(0.01)
  end)
  timer:add(0.01)
  while not done() do
    assert.is_true(base:now() < limit, "takes too long")
    base:loop "once"
  end
  timer:close()
end

--- One honest client, which must be served.
local function is_served(address)
  local text = "honest " .. math.random(1 << 30)
  assert.equal(text .. "\n", (program.run(("echo '%s' | %s"):format(text,
    program.nc(address)))))
end

describe("the listener #load", function()
  before_each(function()
    posix.nofile(16000)
    posix.alarm(300)
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
  end)

  it("echoes for 1,000 connections at once", function()
    local pipe, pid, address = serve()
    local base <close> = libevent.event_base()
    local n, sent, got, ended = many(1000), 0, 0, 0
    local connections = connect(base, address, n, {
      read = function(bev)
        local data = bev:input():readln()
        if data then
          got = got + 1
          assert.equal(sent, n)
          bev:shutdown "w"
        end
      end,
      event = function(bev, what, _, message)
        if what == "connected" then
          sent = sent + 1
        else
          assert.equal("eof", what, message)
          ended = ended + 1
          bev:close()
        end
      end,
    })
    run_until(base, function()
      return sent == n
    end)
    for i, bev in ipairs(connections) do
      bev:write("connection ", i, "\n")
    end
    run_until(base, function()
      return ended == n
    end)
    assert.equal(n, got)
    assert.equal("", program.finish(pipe, pid))
  end)

  it("echoes 100 MiB to a sender that closes first", function()
    local pipe, pid, address = serve()
    local name = os.tmpname()
    program.run(("head -c %d /dev/urandom >%s"):format(many(100 << 20), name))
    local output, how, status = program.run(("%s <%s | cmp - %s"):format(
      program.nc(address), name, name))
    os.remove(name)
    assert.same({ "", "exit", 0 }, { output, how, status })
    assert.equal("", program.finish(pipe, pid))
  end)

  it("holds 10,000 idle connections", function()
    local pipe, pid, address = serve "ulimit -n 16000;"
    local port, fds, n = program.port(address), {}, many(10000)
    local function fill(up_to)
      for i = #fds + 1, up_to do
        fds[i] = posix.connect(port)
      end
      is_served(address)
      return program.rss(pid)
    end
    local before = fill(100)
    local each = (fill(100 + n) - before) / n
    assert.is_true(helper.sanitized or each < 2, each)
    for _, fd in ipairs(fds) do
      posix.close(fd)
    end
    program.finish(pipe, pid)
  end)

  --- What a peer does wrong, given its descriptor; it closes it at last.
  local wrongs = {
    { "reset", function(fd)
      posix.write(fd, "x")
      posix.reset(fd)
    end },
    { "reset unheard", posix.reset },
    { "stall", function(fd)
      return fd
    end },
    { "trickle", function(fd)
      for byte in ("slow"):gmatch "." do
        posix.write(fd, byte)
      end
      posix.close(fd)
    end },
    { "never read", function(fd, i)
      local left = i % 50 == 0 and 2 << 20 or 10000
      while left > 0 and pcall(posix.write, fd, ("x"):rep(10000)) do
        left = left - 10000
      end
      return fd
    end },
    { "half-close", function(fd)
      posix.write(fd, "half")
      posix.shutdown(fd)
      return fd
    end },
    { "send urgent data", function(fd)
      posix.urgent(fd)
      posix.write(fd, "urgent")
      posix.close(fd)
    end },
    { "send garbage", function(fd)
      posix.write(fd, libevent.evutil.secure_rng_get_bytes(1000))
      posix.close(fd)
    end },
  }

  for _, wrong in ipairs(wrongs) do
    it("serves the next one after peers that " .. wrong[1], function()
      local pipe, pid, address = serve()
      local port = program.port(address)
      local before = program.descriptors(pid)
      local function round()
        local open = {}
        for i = 1, many(1000) do
          open[#open + 1] = wrong[2](posix.connect(port), i)
        end
        is_served(address)
        for _, fd in ipairs(open) do
          posix.close(fd)
        end
        is_served(address)
      end
      local function settled()
        local limit = os.time() + 20
        while program.descriptors(pid) > before and os.time() < limit do
          is_served(address)
        end
        return program.descriptors(pid)
      end
      -- How many are there at once is chance, so it takes some rounds until
      -- memory grows no more.
      local memory, grows = 0, true
      for _ = 1, 6 do
        round()
        assert.equal(before, settled())
        grows = program.rss(pid) - memory > 1024
        memory = program.rss(pid)
        if not grows then
          break
        end
      end
      assert.is_true(helper.sanitized or not grows)
      program.finish(pipe, pid)
    end)
  end

  it("bears 500 peers with 64 descriptors", function()
    local pipe, pid, address = serve "ulimit -n 64;"
    local base <close> = libevent.event_base()
    local answered, ended = {}, 0
    local connections = connect(base, address, 500, {
      read = function(bev)
        bev:read()
        answered[bev] = (answered[bev] or 0) + 1
      end,
      event = function(_, what)
        ended = ended + (what == "connected" and 0 or 1)
      end,
    })
    local function count()
      local n = 0
      for _ in pairs(answered) do
        n = n + 1
      end
      return n
    end
    for _, bev in ipairs(connections) do
      bev:write "x"
    end
    run_until(base, function()
      return count() >= 30
    end)
    for _ = 1, 20 do -- and all others for whom there are descriptors
      base:timer(function() end):add(0.02)
      base:loop "once"
    end
    local cpu, began = program.cpu(pid), base:now()
    local served, old = count(), {}
    for bev in pairs(answered) do
      old[#old + 1] = bev
    end
    for _ = 1, 20 do -- two seconds without descriptors
      local asked = old[math.random(#old)]
      local before = answered[asked]
      asked:write "y"
      base:timer(function() end):add(0.1)
      run_until(base, function()
        return answered[asked] > before
      end)
      base:loop "once"
    end
    while base:now() - began < 2 do
      base:timer(function() end):add(0.05)
      base:loop "once"
    end
    local share_of_time = (program.cpu(pid) - cpu) / (base:now() - began)
    assert.is_true(share_of_time < 0.2, share_of_time)
    assert.equal(served, count())
    for _, bev in ipairs(old) do
      bev:close()
    end
    began = base:now()
    run_until(base, function()
      return count() > served
    end)
    local delay = base:now() - began
    assert.is_true(delay < 1, delay)
    for _, bev in ipairs(connections) do
      bev:close "now"
    end
    assert.equal(0, ended)
    local lines = program.finish(pipe, pid)
    local _, reports = lines:gsub("accept: Too many open files\n", "")
    assert.is_true(reports >= 1 and reports <= 10, lines)
    assert.equal("", (lines:gsub("accept: Too many open files\n", "")))
  end)
end)

describe("bufferevents that are closed without a loop #load", function()
  it("leave no descriptors, and no memory after the next turn", function()
    local base <close> = libevent.event_base()
    local function cycles(n)
      for _ = 1, n do
        local one, other = libevent.socketpair()
        local bev = base:bufferevent(one)
        bev:enable "r"
        bev:write "last words"
        bev:close()
        local fd = other:detach()
        assert.equal("last words", posix.read(fd))
        assert.equal("", posix.read(fd))
        posix.close(fd)
      end
      collectgarbage()
      collectgarbage()
    end
    local n = helper.sanitized and 5000 or 50000
    local before = helper.descriptors()
    cycles(n)
    assert.equal(before, helper.descriptors())
    local rounds, grown = 0
    repeat -- where blocks come to lie is chance, but growth ends
      local memory = posix.rss()
      assert.equal("nowait", base:loop "nowait")
      cycles(n)
      assert.equal(before, helper.descriptors())
      rounds, grown = rounds + 1, posix.rss() - memory
    until grown < 1024 or helper.sanitized -- its runtime keeps what was freed
      or rounds == 6
    assert.is_true(grown < 1024 or helper.sanitized, grown .. " KiB")
  end)
end)

describe("100 MiB for a peer that never reads #load", function()
  it("are reported as pending, and gone with the deadline of a close",
    helper.loop(function(base)
      local size = many(100 << 20)
      local one, other = libevent.socketpair()
      local bev = base:bufferevent(one, { linger = 0.1 })
      collectgarbage()
      local before = collectgarbage "count"
      local pending = bev:write(("x"):rep(size))
      assert.is_true(pending > size - (4 << 20) and pending < size, pending)
      assert.equal(pending, #bev:output())
      bev:close()
      assert.equal("empty", base:loop())
      collectgarbage()
      collectgarbage()
      assert.is_true(collectgarbage "count" - before < 1024)
      other:close()
    end))
end)
