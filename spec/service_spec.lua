-- What a program is to the one that started it.

local helper = require "spec.helper"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"

local run = helper.run
local errno, service = libevent.errno, libevent.service

--- Runs a program that inherits sockets, as under systemd; returns its output.
local function inherit(code, sockets, names)
  local name, _ <close> = helper.temporary(code)
  local fds = {}
  for i, socket in ipairs(sockets) do
    fds[2 + i] = socket
  end
  local result = assert(libevent.process.run { "sh", "-c",
    ("exec %s %s 2>&1"):format(interpreter.lua, name), fds = fds,
    listen_pid = true, setenv = { LISTEN_FDS = ("%d"):format(#sockets),
      LISTEN_FDNAMES = names or false } })
  assert.same({ "exit", 0 }, { result.how, result.what }, result.stdout)
  return result.stdout
end

local preamble = [[
  local libevent = require "libevent"
  local service = libevent.service
]]

describe("service", function()
  it("is none where nobody has started it", function()
    assert.equal("127.0.0.1:9995", service.address "127.0.0.1:9995")
    assert.equal("x", service.address("x", 3))
    assert.same({ nil, "no socket was inherited", errno.ENOENT },
      { service.address() })
    assert.equal(0, service.sockets())
    assert.same({}, { service.worker() })
    assert.is_false(service.is_ending())
    service.ready()
    service.status "at work"
  end)

  it("has sockets that were inherited", run(function(base)
    local one <close> = base:listener("127.0.0.1:0", { disabled = true })
    local other <close> = base:listener("127.0.0.1:0", { disabled = true })
    local output = inherit(preamble .. [[
      print(service.sockets())
      print(service.address("x"):getsockname())
      print(service.address("x", 2):getsockname())
      print(service.address("x", "http"):getsockname())
      print(service.address("x", 3), service.address("x", "https"))
      local socket = service.address()
      socket:close()
      print(service.address "x")
    ]], { one, other }, "admin:http")
    assert.equal(("2\n%s\n%s\n%s\nx\tx\nnil\tinherited socket 1: is used "
      .. "already\t%d\n"):format(one:getsockname(), other:getsockname(),
      other:getsockname(), errno.EBUSY), output)
  end))

  it("serves a socket that was inherited, and does not pass it on",
    run(function(base)
      local listener <close> = base:listener("127.0.0.1:0",
        { disabled = true })
      local client
      libevent.spawn(function()
        client = assert(libevent.connect(listener:getsockname()))
        assert.equal("hello", client:read "a")
      end)
      assert.equal("1\n", inherit(preamble .. [[
        libevent.run(function()
          service.start()
          local server
          server = libevent.serve(service.address(), function(stream)
            stream:write "hello"
            server:close()
          end)
          server:wait()
          local run = libevent.process.run
          io.write(run { "sh", "-c", "ls -l /proc/$$/fd | grep -c socket:",
            stdin = "null", stderr = "null" }.stdout) -- that is its output
          libevent.base():loopbreak()
        end)
      ]], { listener }))
      client:close()
    end))

  it("is not that of a process which started this one", run(function(base)
    local listener <close> = base:listener("127.0.0.1:0", { disabled = true })
    assert.equal("0\n", inherit([[
      local n = assert(io.popen((arg[-1] or "lua5.4") .. " -e '"
        .. "print(require [=[libevent]=].service.sockets())'")):read "a"
      io.write(n)
    ]], { listener }))
  end))

  it("takes descriptors as they are that are no sockets", run(function()
    local file <close> = io.open "/dev/null"
    local output = inherit(preamble .. [[
      print(service.address "x")
    ]], { file })
    assert.matches("^nil\tinherited socket 1: .*%-socket\t%d+\n$", output)
  end))

  it("is ready for who reads late, whatever it has told", run(function(base)
    local name, _ <close> = helper.temporary(preamble .. [[
      libevent.run(function()
        service.start()
        for _ = 1, 1000 do
          service.status(("x"):rep(4096))
        end
        service.ready()
        print "told"
        libevent.sleep(60)
      end)
    ]])
    local mine, theirs = libevent.socketpair(true)
    local program <close> = assert(libevent.process.start { "sh", "-c",
      ("exec %s %s"):format(interpreter.lua, name), fds = { [3] = theirs },
      listen_pid = true, stdout = "stream", setenv = { EVRUN_CHANNEL = "3" } })
    theirs:close()
    assert.equal("told", (program.stdout:read("l", 20)))
    local channel <close> = base:stream(mine)
    local line
    repeat
      line = assert(channel:read("l", 20))
    until not line:find "^STATUS="
    assert.equal("READY=1", line)
  end))

  it("tells systemd what it does, and that it lives", function()
    helper.prints("READY=1\nSTATUS=at  work\nWATCHDOG=1\nSTOPPING=1\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      libevent.log.level "off"
      local name = "@" .. os.tmpname()
      os.remove(name:sub(2))
      local fd = posix.receiver(name)
      posix.setenv("NOTIFY_SOCKET", name)
      posix.setenv("WATCHDOG_USEC", "20000")
      local function said()
        libevent.wait(fd, "r")
        return posix.read(fd)
      end
      libevent.run(function()
        local service = libevent.service
        service.start()
        service.ready()
        service.ready()
        print(said())
        service.status "at\n work"
        print(said())
        print(said())
        posix.kill(posix.getpid(), 15)
        libevent.sleep(60)
      end)
      local last
      repeat
        last = posix.read(fd)
      until last ~= "WATCHDOG=1"
      print(last)
    ]], "unset WATCHDOG_PID;")
  end)

  it("refuses bad arguments", run(function()
    for message, arguments in pairs {
      ["#1 to 'address' (string expected, got number)"] = { 1 },
      ["#2 to 'address' (integer or string expected, got table)"] = { "x", {} },
    } do
      assert.has_error(function()
        service.address(table.unpack(arguments))
      end, "bad argument " .. message)
    end
    assert.has_error(function()
      service.status(1)
    end, "bad argument #1 to 'status' (string expected, got number)")
    for message, given in pairs {
      ["unknown option 'x'"] = { x = 1 },
      ["option 'drain': seconds"] = { drain = "x" },
    } do
      local ok, got = pcall(service.start, given)
      assert.is_false(ok)
      assert.matches("bad argument #1 to 'start' (" .. message, got, 1, true)
    end
  end))
end)
