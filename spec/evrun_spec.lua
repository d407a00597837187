-- The command, as a user types it.

local interpreter = require "spec.interpreter"
local posix = require "spec.posix"
local program = require "spec.program"

local run = program.run

--- Runs a shell command in which `evrun` is the command of this tree.
local function sh(command)
  return run(("evrun() { timeout 60 %s lua/evrun \"$@\"; }; %s"):format(
    interpreter.lua, command))
end

--- A file with a text, and its name.
local function script(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
  return name
end

--- What the command prints, and its exit status.
local function outcome(command)
  local output, _, status = sh(command)
  return { output, status }
end

describe("evrun", function()
  before_each(function()
    posix.alarm(60)
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
  end)

  it("runs a script as a task, with its arguments", function()
    local name = script [[
      local libevent = require "libevent"
      libevent.sleep(0.001)
      print((...), arg[0] == debug.getinfo(1).source:sub(2), arg[1], arg[2],
        arg[-1]:match "[^/]*$", #arg, libevent.running():name())
    ]]
    assert.same({ "one\ttrue\tone\ttwo\tevrun\t2\tmain\n", 0 },
      outcome("evrun " .. name .. " one two"))
    assert.same({ "nil\ttrue\tnil\tnil\t--\t0\tmain\n", 0 },
      outcome("evrun -- " .. name))
    os.remove(name)
  end)

  it("ends when nothing is left to do", function()
    assert.same({ "later\n", 0 }, outcome [[evrun -e '
      require "libevent".after(0.01, print, "later")
      return 1']])
  end)

  it("takes the options of lua", function()
    assert.same({ "1\n2\n", 0 },
      outcome "evrun -e 'x = 1' -e 'print(x)' -e'print(x + 1)' | cat")
  end)

  it("runs in the environment that lua does, or in none", function()
    for _, name in ipairs { "LUA_INIT", "LUA_INIT_5_4" } do
      local init = ("export %s='x = %q'; "):format(name, name)
      assert.same({ name .. "\n", 0 }, outcome(init .. "evrun -e 'print(x)'"))
      assert.same({ "nil\n", 0 }, outcome(("%s export LUA_CPATH=/?.so; "
        .. "%s -E lua/evrun -e 'print(x)'"):format(init, interpreter.lua)))
      assert.matches("^evrun: '%-E' is an option of lua: lua5.4 %-E lua/evrun",
        outcome "evrun -E"[1])
    end
  end)

  it("requires modules, and executes standard input", function()
    assert.same({ "table\ttable\n", 0 }, outcome(
      "echo 'print(type(libevent), type(ev))' | "
      .. "evrun -l libevent -l ev=libevent -"))
    assert.matches("^evrun %S+, libevent 2%.%S+, Lua 5%.4\n$",
      outcome("evrun -v")[1])
    assert.matches("warning", outcome("evrun -W -e 'warn \"x\"'")[1])
  end)

  it("ends with the status of os.exit, and 1 after an error", function()
    assert.same({ "", 7 }, outcome "evrun -e 'os.exit(7)'")
    assert.same({ "", 0 }, outcome "evrun -e 'os.exit(true)'")
    local output, status = table.unpack(outcome "evrun -e 'error \"no\"'")
    assert.matches("^evrun: %(command line%):1: no\nstack traceback:", output)
    assert.equal(1, status)
    assert.matches("^evrun: attempt to yield from a task .*\nstack traceback:",
      outcome "evrun -e 'coroutine.yield(1)'"[1])
    assert.same({ "evrun: (command line):1: syntax error near 'y'\n", 1 },
      outcome "evrun -e 'x y'")
    assert.matches("^evrun: %(command line%):1: \\x1b%[2J\nstack",
      outcome [[evrun -e 'error "\27[2J"']][1])
    assert.same({ "evrun: cannot open /no/such/file\n", 1 },
      (function()
        local got = outcome "evrun /no/such/file"
        got[1] = got[1]:gsub(": No such.*", "\n")
        return got
      end)())
  end)

  it("says what is wrong with its options", function()
    for options, message in pairs {
      ["-q"] = "evrun: unrecognized option '%-q'\nusage: evrun",
      ["--drain x"] = "evrun: '%-%-drain' needs seconds, not 'x'\nusage",
      ["--drain"] = "evrun: '%-%-drain' needs an argument\nusage",
      ["-e"] = "evrun: '%-e' needs an argument\nusage",
      ["--console a/b"] = "evrun: 'a/b' is no name for a console: letters, "
        .. "digits, _ and %- expected\nusage",
    } do
      local output, status = table.unpack(outcome("evrun " .. options))
      assert.matches("^" .. message, output)
      assert.equal(1, status)
    end
    local help = outcome "evrun --help"
    assert.matches("^usage: evrun %[options%]", help[1])
    assert.equal(0, help[2])
  end)

  it("logs the error of a task and goes on", function()
    local output, status = table.unpack(outcome [[evrun -e '
      local libevent = require "libevent"
      libevent.spawn(error, "in a task")
      libevent.after(0.001, error, "in a timer")
      libevent.sleep(0.02)
      print "end"']])
    assert.matches('"level":"error".*"error":"in a task".*"traceback"', output)
    assert.matches('"error":"in a timer"', output)
    assert.matches("end\n$", output)
    assert.equal(0, status)
  end)

  it("closes the connection whose callback fails", function()
    assert.matches("\nclosed\n$", outcome([[evrun -e '
      local libevent = require "libevent"
      local one, other = libevent.socketpair()
      local base = libevent.base()
      local stream, peer = base:stream(one), base:stream(other)
      stream:setcb { read = function() error "bad" end }
      peer:write "x"
      assert(peer:read "a" == "")
      print(stream:is_closed() and "closed")']])[1])
  end)

  it("drains on INT and TERM: connections may end", function()
    for _, signal in ipairs { 2, 15 } do
      local name = script [[
        local libevent = require "libevent"
        local server = libevent.serve("127.0.0.1:0", function(stream)
          for line in stream:lines() do stream:write(line, "\n") end
        end)
        print(server:getsockname())
        local closed <close> = setmetatable({}, { __close = function()
          print "the end"
        end })
        libevent.sleep(100)
      ]]
      local pipe, pid, address = program.serve("lua/evrun " .. name)
      local fd = posix.connect(program.port(address))
      local function echo(text)
        local got = ""
        posix.write(fd, text)
        repeat
          got = got .. (posix.read(fd) or "")
        until #got >= #text
        return got
      end
      assert.equal("before\n", echo "before\n")
      posix.kill(pid, signal)
      assert.equal("after\n", echo "after\n")
      posix.close(fd)
      assert.matches("^{[^\n]*ends when its connections have.*\nthe end\n$",
        pipe:read "a")
      assert.same({ true, "exit", 0 }, { pipe:close() })
      os.remove(name)
    end
  end)

  it("ends at once on a second signal, and cuts at the deadline", function()
    local name = script [[
      local libevent = require "libevent"
      local server = libevent.serve("127.0.0.1:0", function(stream)
        stream:write "in\n"
        stream:read "a"
      end)
      print(server:getsockname())
    ]]
    for options, signals in pairs {
      ["--drain 100"] = 2, ["--drain=0.01"] = 1,
    } do
      local pipe, pid, address = program.serve(("lua/evrun %s %s"):format(
        options, name))
      local fd = posix.connect(program.port(address))
      repeat
        local got = posix.read(fd)
      until got
      posix.kill(pid, 15)
      assert.matches("ends when its connections have", pipe:read "l")
      if signals == 2 then
        posix.kill(pid, 15)
      end
      assert.matches(signals == 2 and "ends at once"
        or '"connections were cut","cut":%["127.0.0.1:%d+ at [^"]*:%d+"%],'
          .. '"n":1}', pipe:read "a")
      assert.same({ true, "exit", 0 }, { pipe:close() })
      posix.close(fd)
    end
    os.remove(name)
  end)

  it("does not wait for idle connections", function()
    local name = script [[
      local libevent = require "libevent"
      local base = libevent.base()
      base:listener("127.0.0.1:0", nil, function(_, socket)
        local stream = base:stream(socket)
        stream:setcb { read = stream.write }
        stream:write "in\n"
      end)
      libevent.on_drain(function()
        print "drains"
      end)
      print(base:objects()[1].description)
    ]]
    local pipe, pid, address = program.serve("lua/evrun --drain 100 " .. name)
    local fd = posix.connect(program.port(address))
    repeat
      local got = posix.read(fd)
    until got
    posix.kill(pid, 15)
    assert.matches("ends when its connections have", pipe:read "l")
    assert.equal("drains\n", pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
    posix.close(fd)
    os.remove(name)
  end)

  it("stops a script that hangs, on the second Ctrl-C", function()
    local pipe, pid = program.start(
      "lua/evrun -e 'print \"on\" while true do end'")
    assert.equal("on", pipe:read "l")
    local process = program.child(pid)
    posix.kill(process, 2)
    while program.pending(process) do -- luacheck: ignore
    end
    posix.kill(process, 2)
    assert.matches("evrun: .*interrupted", pipe:read "a")
    pipe:close()
  end)

  it("is found beside its modules, from another directory", function()
    local here = io.popen("pwd"):read "l"
    local output = run(("cd / && env -u LUA_PATH -u LUA_CPATH %s/lua/evrun "
      .. "-e 'print(require \"libevent.version\")'"):format(here))
    assert.equal(require "libevent.version" .. "\n", output)
    local name = script("#!" .. here .. "/lua/evrun\nprint 'a script'\n")
    assert.equal("a script\n", (run(("chmod +x %s && cd / && %s"):format(name,
      name))))
    os.remove(name)
  end)

  it("has a manual page with all its options and commands", function()
    local file <close> = assert(io.open "docs/evrun.1")
    local page = file:read "a"
    for _, command in ipairs { "", "serve ", "ctl " } do
      for name in outcome("evrun " .. command .. "--help")[1]
        :gmatch "\n  %-([%w-]*)" do
        assert.matches("Fl " .. name, page, 1, true)
      end
    end
    for name in outcome "echo :help | evrun"[1]:gmatch "%f[^\0\n]:%a+" do
      assert.matches("\n.It Ic " .. name, page, 1, true)
    end
  end)

  it("reads what is piped in", function()
    assert.same({ "\"table\"\n", 0 }, outcome(
      "echo 'type(libevent)' | evrun -l libevent"))
    assert.same({ "3\n1\t\"x\"\n", 0 }, outcome(
      [[printf 'x = 1\nx + 2\nx,\n"x"\n' | evrun]]))
    local hit = [[printf '%s\n1 + 1\n' | evrun -i -e '
      local session = require "libevent.repl.session"
      local new = session.new
      function session.new(...)
        local self = new(...)
        local feed = self.feed
        function self:feed(line)
          if line:find "^no" then error(line:sub(4)) end
          return feed(self, line)
        end
        return self
      end']] -- a Ctrl-C may hit what reads, too
    assert.same({ "2\n", 0 }, outcome(hit:format "no interrupted"))
    assert.matches("^evrun: .*: more", outcome(hit:format "no more")[1])
    local cut = "the last input has no end, and was not run\n"
    assert.same({ "1\n" .. cut, 0 },
      outcome [[printf 'print(1)\nfor i = 1, 2 do\nprint(i)\n' | evrun]])
    assert.same({ "1\n", 0 }, outcome "printf 'print(\n1)' | evrun")
  end)
end)
