local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local own = libevent.posix

--- Runs a script that has the modules at hand.
local function prints(output, code)
  helper.prints(output, [[
    local libevent, posix = require "libevent", require "spec.posix"
    local own = libevent.posix
    io.stdout:setvbuf "line"
  ]] .. code)
end

describe("posix", function()
  it("tells who the process is", function()
    assert.equal(posix.getpid(), own.getpid())
    assert.equal(own.lstat("/proc/self").uid, own.geteuid())
    local parent = own.getpid()
    assert.same({ "exit", 0 }, { helper.child(function()
      assert.equal(parent, own.getppid())
    end) })
  end)

  it("tells how many processors there are", function()
    local n = own.processors()
    assert.equal("integer", math.type(n))
    assert.is_true(n >= 1)
    local pipe <close> = assert(io.popen "nproc")
    assert.equal(pipe:read "n", n)
  end)

  it("sets the name of the process", function()
    prints("a name\n123456789012345\n\n", [[
      for _, name in ipairs { "a name", "1234567890123456", "" } do
        assert(own.setname(name))
        print(io.open("/proc/self/comm"):read())
      end
    ]])
    for _, bad in ipairs { {}, true, 7, print, "x\0y" } do
      assert.error_matches(function()
        own.setname(bad)
      end, "bad argument #1 to 'setname' %(")
    end
    assert.error_matches(function()
      own.setname()
    end, "got no value")
  end)
end)

describe("posix ignore", function()
  it("lets a signal do nothing, but when it is watched", function()
    prints("USR1\nUSR1\nend\n", [[
      local base <close> = libevent.event_base()
      local function raise()
        posix.raise(10)
        base:loop "nowait"
      end
      assert(own.ignore "USR1")
      raise()
      local signal = base:signal("USR1", function(_, name)
        print(name)
      end)
      for _ = 1, 2 do
        assert(signal:add())
        raise()
        signal:del()
        raise()
      end
      signal:close()
      raise()
      print "end"
    ]])
  end)

  it("goes on in a forked child", function()
    prints("end\n", [[
      local base <close> = libevent.event_base()
      assert(own.ignore "USR1")
      assert(base:signal("USR1", print):add())
      local pid = posix.fork()
      posix.raise(10)
      if pid == 0 then
        os.exit(7)
      end
      assert(select(2, posix.wait(pid)) == 7)
      print "end"
    ]])
  end)

  it("is nothing for programs that a base starts", function()
    prints("signal\tHUP\tfalse\n", [[
      assert(own.ignore "HUP")
      libevent.run(function()
        local process = assert(libevent.base():process {
          "sh", "-c", "kill -HUP $$" })
        print(process:wait())
      end)
    ]])
  end)

  it("cannot be while a signal is watched", helper.loop(function(base)
    local signal <close> = base:signal("USR2", print)
    assert(signal:add())
    assert.same({ nil, "ignore: Device or resource busy",
      libevent.errno.EBUSY }, { own.ignore "USR2" })
  end))

  it("cannot be for each signal", function()
    for _, name in ipairs { "KILL", "STOP" } do
      assert.same({ nil, "ignore: Invalid argument", libevent.errno.EINVAL },
        { own.ignore(name) })
    end
  end)

  it("refuses bad arguments", function()
    local function ignore(_, ...)
      return own.ignore(...)
    end
    helper.badargs(ignore, nil, "signal")
  end)
end)

describe("posix reap", function()
  it("reaps orphans, and nothing that is known", function()
    prints("exit\t3\nexit\t4\nwaitpid: No child processes\n", [[
      posix.subreaper()
      libevent.run(function()
        local base = libevent.base()
        local r, w = posix.pipe()
        local process = assert(base:process({ "sh", "-c",
          "for i in 1 2 3 4 5; do sleep 60 & echo $!; done; exit 3" },
          { fds = { [1] = w } }))
        print(process:wait())
        for pid in posix.read(r):gmatch "%d+" do
          posix.kill(tonumber(pid), 9)
        end
        process = assert(base:process { "sh", "-c", "exit 4" })
        local known, total = { [process:pid()] = true }, 0
        repeat
          local n, blocked = own.reap(known)
          total = total + n
          assert(type(blocked) == "boolean")
          libevent.sleep(0.001)
        until total == 5
        print(process:wait())
      end)
      print((select(2, pcall(posix.wait, -1)):gsub("^.-: waitpid", "waitpid")))
    ]])
  end)

  it("is blocked by one that is known, until that is reaped", function()
    prints("0\ttrue\nexit\t7\n0\tfalse\n", [[
      local base <close> = libevent.event_base()
      local process = assert(base:process { "sh", "-c", "exit 7" })
      local known = { [process:pid()] = false }
      local n, blocked
      repeat
        n, blocked = own.reap(known)
      until blocked
      print(n, blocked)
      base:loop()
      print(process:status())
      print(own.reap(known))
    ]])
  end)

  it("leaves those alone that run", function()
    prints("0\tfalse\nsignal\tKILL\tfalse\n", [[
      libevent.run(function()
        local process = assert(libevent.base():process { "sleep", "60" })
        print(own.reap {})
        assert(process:kill "KILL")
        print(process:wait())
      end)
    ]])
  end)

  it("refuses bad arguments", function()
    local function reap(_, ...)
      return own.reap(...)
    end
    helper.badargs(reap, nil, "table")
  end)
end)

describe("posix alarm", function()
  it("ends the process when its time has come", function()
    prints("nil\talarm: Operation not permitted\t1\n"
      .. "0.0\ntrue\nsignal\tALRM\n", [[
      print(own.alarm(3600))
      local base <close> = libevent.event_base()
      local watch <close> = base:signal("ALRM", print)
      watch:add()
      print(own.alarm(3600))
      local left = own.alarm(0)
      print(left > 3000 and left <= 3600)
      libevent.run(function()
        local result = libevent.process.run { arg[-1], "-e", [=[
          local own, posix = require "libevent".posix, require "spec.posix"
          posix.setenv("EVRUN_CHANNEL", "3")
          posix.setenv("LISTEN_PID", tostring(own.getpid()))
          own.alarm(3600)
          own.alarm(0.01)
          while true do end
        ]=] }
        print(result.how, result.what)
      end)
    ]])
  end)

  it("is told to who watches it", function()
    prints("ALRM\nALRM\n0.0\n", [[
      local base <close> = libevent.event_base()
      assert(base:signal("ALRM", function(_, name)
        print(name)
      end):add())
      for _, seconds in ipairs { 0.001, 1e-9 } do
        own.alarm(seconds)
        base:loop "once"
      end
      print(own.alarm(0))
    ]])
  end)

  it("is none of forked children, and of programs that are started",
    function()
      prints("0.0\n0.0\n0.0\n0.0\n", [[
        posix.setenv("EVRUN_CHANNEL", "3")
        posix.setenv("LISTEN_PID", tostring(own.getpid()))
        own.alarm(3600)
        local code = "print(require [=[libevent]=].posix.alarm(0))"
        local command = arg[-1] .. " -e '" .. code .. "'"
        local pid = posix.fork()
        if pid == 0 then
          print(own.alarm(0))
          os.exit(0)
        end
        posix.wait(pid)
        os.execute(command)
        io.write(io.popen(command):read "a")
        libevent.run(function()
          io.write(libevent.process.run { arg[-1], "-e", code }.stdout)
        end)
      ]])
    end)

  it("refuses bad arguments", function()
    local function alarm(_, ...)
      return own.alarm(...)
    end
    helper.badargs(alarm, nil, "seconds")
  end)
end)

describe("posix fill", function()
  it("opens what of the first three descriptors is closed", function()
    helper.prints("true\n/dev/null\n/dev/null\n", [[
      local libevent = require "libevent"
      local own, before = libevent.posix, io.stdout
      local function target(fd)
        return own.readlink("/proc/self/fd/" .. fd)
      end
      local function count()
        return #own.readdir "/proc/self/fd"
      end
      local stdout = target(1)
      local posix = require "spec.posix"
      posix.close(0)
      posix.close(2)
      local n = count()
      local ok = own.fill()
      assert(count() == n + 2 and target(1) == stdout)
      print(ok)
      print(target(0))
      print(target(2))
      assert(own.fill() and count() == n + 2)
    ]])
  end)
end)

describe("posix put", function()
  --- A pipe, whose end for writing is a file.
  local function pipe()
    local r, w = posix.pipe()
    local file = assert(io.open("/proc/self/fd/" .. w, "w"))
    posix.close(w)
    return r, file
  end

  it("writes what there is room for, and never waits", function()
    local r, file = pipe()
    local written = 0
    repeat
      local n, message, code = own.put(file, ("x"):rep(10000))
      written = written + (n or 0)
      assert.is_true(n == nil or n >= 1 and n <= 4096)
      if not n then
        assert.same({ "put: Resource temporarily unavailable",
          libevent.errno.EAGAIN }, { message, code })
      end
    until not n
    assert.is_true(written >= 4096)
    assert.is_true(#posix.read(r, 65536) >= 4096)
    assert.is_true(own.put(file, "y") == 1)
    file:close()
    posix.close(r)
  end)

  it("writes to files, and to nobody", function()
    local name, _ <close> = helper.temporary ""
    local file = assert(io.open(name, "w"))
    assert.equal(4096, (own.put(file, ("x"):rep(5000))))
    assert.equal(0, (own.put(file, "")))
    assert.equal(("x"):rep(4096), io.open(name):read "a")
    file:close()
    local r, broken = pipe()
    posix.close(r)
    assert.same({ nil, "put: Broken pipe", libevent.errno.EPIPE },
      { own.put(broken, "x") })
    broken:close()
    assert.has_error(function()
      own.put(broken, "x")
    end, "bad argument #1 to 'put' (attempt to use a closed file)")
  end)

  it("refuses bad arguments", function()
    for message, given in pairs {
      ["#1 to 'put' (FILE* expected, got number)"] = { 1, "x" },
      ["#2 to 'put' (string expected, got number)"] = { io.stdout, 1 },
    } do
      assert.error_matches(function()
        own.put(table.unpack(given))
      end, "bad argument " .. message, 1, true)
    end
  end)
end)
