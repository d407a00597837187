local helper = require "spec.helper"
local libevent = require "libevent"
local logging = require "spec.logging"
local posix = require "spec.posix"
local program = require "spec.program"

local run = helper.run
local connect, serve = libevent.connect, libevent.serve
local spawn, sleep = libevent.spawn, libevent.sleep

local anywhere = "127.0.0.1:0"

local function client(server)
  return assert(connect(server:getsockname()))
end

--- An error that cannot even be told.
local function raise_untellable()
  error(setmetatable({}, { __tostring = function()
    error "__tostring"
  end }))
end

describe("a server", function()
  it("goes on after an error whose __tostring fails", run(function()
    local lines, log = {}, require "libevent.log"
    local before = log.output(function(line)
      lines[#lines + 1] = line
    end)
    local server <close> = assert(serve(anywhere, raise_untellable))
    for _ = 1, 2 do
      local stream <close> = client(server)
      assert.is_nil((stream:read(1)))
    end
    log.output(before)
    assert.equal(2, #lines)
    assert.matches("__tostring failed", lines[1], 1, true)
    assert.same({ open = 0, accepted = 2, refused = 0, failed = 2 },
      server:counters())
  end))

  it("closes the connection of a task that others close at once", run(function()
    local tasks = {}
    local server <close> = assert(serve(anywhere, function(stream)
      tasks[#tasks + 1] = libevent.running()
      stream:write "hello\n"
      stream:read(1)
    end, { connections = 1 }))
    local one <close> = client(server)
    assert.equal("hello", (one:read "l"))
    tasks[1]:close "now"
    assert.is_nil((one:read(1, 10)))
    local other <close> = client(server)
    assert.equal("hello", (other:read "l"))
    tasks[2]:close "now"
    assert.is_true(server:drain(10))
    assert.equal(0, server:counters().open)
  end))

  it("lets a host in again whose task others have closed", run(function()
    local tasks = {}
    local server <close> = assert(serve(anywhere, function(stream)
      tasks[#tasks + 1] = libevent.running()
      stream:write "hello\n"
      stream:read(1)
    end, { per_peer = 1 }))
    local one <close> = client(server)
    assert.equal("hello", (one:read "l"))
    tasks[1]:close "now"
    local line
    repeat
      local other <close> = client(server)
      line = other:read "l"
      sleep(0.05)
    until line
    assert.equal("hello", line)
  end))

  it("closes the connection of a task that is canceled too early",
    run(function(base)
      local looks = true
      local function look()
        for _, task in ipairs(base:tasks()) do
          if task:status() == "new" then
            task:cancel()
          end
        end
        if looks then
          base:defer(look)
        end
      end
      local server <close> = assert(serve(anywhere, function() end))
      base:defer(look)
      local stream <close> = client(server)
      local fd = posix.connect(tonumber(server:getsockname():match "%d+$"))
      while server:counters().accepted < 2 do
        sleep(0.001)
      end
      looks = false
      assert.is_true(server:drain(10))
      assert.is_nil((stream:read(1)))
      posix.close(fd)
    end))

  it("can be closed after one of its tasks was", run(function()
    local task
    local server = assert(serve(anywhere, function(stream)
      task = libevent.running()
      stream:write "hello\n"
      stream:read(1)
    end))
    local stream <close> = client(server)
    assert.equal("hello", (stream:read "l"))
    task:close "now"
    server:close()
    assert.is_nil((stream:read(1)))
    assert.equal(0, server:counters().open)
  end))
end)

describe("libevent.drain", function()
  it("waits for each of those there were", run(function(base)
    local open, streams, more = 0, {}, {}
    for i = 1, 5 do
      local server = assert(serve(anywhere, function(stream)
        open = open + 1
        stream:read(1)
        open = open - 1
      end))
      streams[i] = client(server)
    end
    while open < 5 do
      sleep(0)
    end
    spawn(function()
      for i, stream in ipairs(streams) do
        for _ = 1, 20 * i do
          more[#more + 1] = serve(anywhere, function() end)
        end
        sleep(0.01)
        stream:write "x"
      end
    end)
    assert.equal(0, libevent.drain(base))
    assert.same({ 0, 0 }, { open, #more })
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end))
end)

describe("evrun", function()
  it("ends no sooner than what its connections have written is sent", function()
    local size = 8 * 1024 * 1024
    local pipe, pid, address = program.serve(([[lua/evrun -e '
      local libevent = require "libevent"
      local server = libevent.serve("127.0.0.1:0", function(stream)
        libevent.defer(function()
          stream:write(("x"):rep(%d)) -- no task: it does not wait
          stream:close()
        end)
        libevent.sleep(0)
      end)
      print(server:getsockname())
      libevent.sleep(100)']]):format(size))
    local fd, got = posix.connect(program.port(address)), 0
    repeat
      local data = posix.read(fd)
      got = got + #(data or "")
    until data
    posix.kill(pid, 15)
    assert.matches("ends when", pipe:read "l")
    while got < size do
      local data = posix.read(fd)
      assert.not_equal("", data)
      got = got + #(data or "")
    end
    posix.close(fd)
    assert.equal("", pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)
end)

describe("a listener at which a task accepts", function()
  it("can be closed in a forked child", run(function(base)
    local listener <close> = assert(base:listener(anywhere))
    local came
    spawn(function()
      came = listener:accept(10)
      came:close()
    end)
    sleep(0)
    assert.same({ "exit", 0 }, { helper.child(function()
      listener:close()
    end) })
    assert(libevent.connect(listener:getsockname())):close()
    while not came do
      sleep(0.001)
    end
  end))
end)

describe("a server whose base is closed", function()
  it("by what serves a connection, leaves the error to the log", function()
    local base = libevent.event_base()
    local server
    local records, _ <close> = logging.keep "error"
    libevent.run(base, function()
      server = assert(serve(anywhere, function(stream)
        stream:read "l"
        base:close()
        error "late"
      end))
      assert(libevent.connect(server:getsockname())):write "x\n"
      sleep(10)
    end)
    assert.is_true(base:is_closed())
    assert.equal(0, server:counters().open)
    assert.matches("late$", records[1].fields.error)
    server:close()
  end)

  it("while somebody waits for its end, wakes nobody twice", function()
    local base = libevent.event_base()
    local server
    libevent.run(base, function()
      server = assert(serve(anywhere, function(stream)
        stream:read "l"
      end))
      local stream = assert(libevent.connect(server:getsockname()))
      spawn(server.wait, server)
      sleep(0.001)
      base:close()
      assert.is_true(stream:is_closed())
    end)
    server:close()
    assert.is_true(server:is_closed())
  end)
end)
