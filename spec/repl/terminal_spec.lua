-- The command on a terminal, as a user types it.

local posix = require "spec.posix"
local program = require "spec.program"
local terminal = require "spec.terminal"

local start = terminal.start

--- A session at its first prompt.
local function session(command, environment)
  local self = start(command, environment)
  self:expect ":help for help\n> $"
  return self
end

--- A folder, and a value for a <close> variable that removes it.
local function folder()
  local name = os.tmpname()
  os.remove(name)
  return name, setmetatable({}, { __close = function()
    os.execute("rm -rf " .. name)
  end })
end

--- Whether a process goes on; one that has ended has no arguments.
local function runs(pid)
  local file <close> = io.open(("/proc/%d/cmdline"):format(pid))
  return file ~= nil and file:read "a" ~= ""
end

local editing = pcall(require, "libevent.readline") and describe or pending

editing("line editing", function()
  before_each(function()
    posix.alarm(120)
  end)

  after_each(function()
    posix.alarm(0)
  end)

  it("shows values, and ends with Ctrl-D", function()
    local t <close> = session()
    assert.is_false(t:usual())
    assert.equal("2", t:line "1 + 1")
    assert.equal("", t:line "x = 'a'")
    assert.equal('"a"\t1', t:line "x, 1")
    assert.matches("^input:1: no\nstack traceback", t:line "error 'no'")
    t:type "\4"
    assert.equal("\n", t:finish())
  end)

  it("ends with :quit, whatever else goes on", function()
    local t <close> = session()
    t:line "require 'libevent'.every(100, print)"
    t:type ":quit\r"
    assert.equal(":quit\n", t:finish())
  end)

  it("edits", function()
    local t <close> = session()
    assert.equal("132", t:line "12\27[D3")
    assert.equal("14", t:line "12\127\b14")
    assert.equal("12", t:line "2\0011")
    assert.equal("3", t:line "1 + x\23 2")
  end)

  it("brings back what was typed", function()
    local t <close> = session()
    t:line "11"
    t:line "22"
    assert.equal("22", t:line "\27[A")
    assert.equal("11", t:line "\27[A\27[A") -- the same twice is there once
    assert.equal("22", t:line "\0182")
  end)

  it("takes an input of several lines", function()
    local t <close> = session()
    t:type "for i = 1, 2 do\r"
    t:expect "\n>> $"
    t:type "print(i)\r"
    t:expect "\n>> $"
    assert.equal("1\n2", t:line "end")
    assert.matches("\nend\n1\n2$", t:line
      "\27[200~for i = 1, 2 do\r\tprint(i)\rend\27[201~")
  end)

  it("completes", function()
    local t <close> = session()
    t:line "abc = { def1 = 7, def2 = 8, other = { x = 9 } }"
    assert.equal("9", t:line "abc.o\t.x")
    assert.equal("8", t:line "abc.d\t2")
    assert.equal("9", t:line "1 and abc.other.\t")
    assert.equal('"a7"', t:line "'a'..ab\t.def1")
    t:type "abc.\t\t"
    t:expect "abc.def1%s+abc.def2%s+abc.other%s+> abc.$"
    t:type "def1\r"
    t:expect "\n7\n> $"
    assert.matches("^file", t:line "io.stdout:setv\t'line' and io.stdou\t")
    assert.equal("5", t:line "nothing.at.all.\t\t\0215")
    t:line "setmetatable(abc, { __index = error })"
    assert.equal("7", t:line "abc.def1\t")
  end)

  it("keeps lines for the next session", function()
    local name, _ <close> = folder()
    local environment = "XDG_STATE_HOME=" .. name
    for n = 1, 2 do
      local t <close> = session(nil, environment)
      if n == 2 then
        assert.equal("5", t:line "\27[A\27[A")
        assert.equal("", t:line "\27[A\27[A\27[A\27[A")
      end
      t:line " "
      t:line "x = 1"
      t:line "x = 1"
      t:line "2 + 3"
      t:type "os.exit()\r"
      t:finish()
    end
    local lines = {}
    for line in io.lines(name .. "/evrun/history") do
      lines[#lines + 1] = line
    end
    assert.same({ "x = 1", "2 + 3", "os.exit()", "2 + 3", "x = 1", "2 + 3",
      "os.exit()" }, lines)
    assert.equal("700\n600\n", (program.run(
      ("cd %s && stat -c %%a evrun evrun/history"):format(name))))
  end)

  it("stops what runs with Ctrl-C", function()
    local t <close> = session()
    t:type "print 'on' while true do end\r"
    t:expect "\non\n"
    t:type "\3"
    t:expect "interrupted\n.*\n> $"
    t:type "print 'on' require 'libevent'.sleep(1000)\r"
    t:expect "\non\n"
    assert.is_true(t:usual())
    t:type "\3"
    t:expect "canceled\n> $"
    assert.is_false(t:usual())
    assert.equal("7", t:line "7")
  end)

  it("forgets what is typed with Ctrl-C", function()
    local t <close> = session()
    t:type "hal"
    t:expect "hal$"
    t:type "\3"
    t:expect "%^C\n> $"
    assert.equal("1", t:line "1")
    t:type "x = {\r"
    t:expect "\n>> $"
    t:type "\3"
    t:expect "%^C\n> $"
    assert.equal("2", t:line "2")
    t:type "\0181" -- while it searches
    t:expect "search.*1"
    t:type "\3"
    t:expect "%^C\n> $"
    assert.equal("3", t:line "3")
  end)

  it("makes room for what others write", function()
    local t <close> = session()
    t:line "ev = require 'libevent'"
    t:line "usr1 = ev.signal('USR1', function() late() end)"
    for text, pattern in pairs {
      ["print 'out'"] = "out\n",
      ["io.write 'out'"] = "out\n",
      ["io.stdout:write('o', 'ut\\n', '')"] = "out\n",
      ["io.stderr:write 'out\\n'"] = "out\n",
      ["print 'a' io.write 'b' io.write 'c\\nd'"] = "a\nbc\nd\n",
      ["ev.log.warn 'out'"] = "[^\n]*%d WARN +out[^\n]*\n",
      ["warn '@on' warn 'out'"] = "Lua warning: out\n",
      ["error 'out'"] = "[^\n]* ERROR an error in a callback or task .*out.*\n",
    } do
      t:line("function late() " .. text .. " end")
      t:type "100 + 0\27[D\27[D\27[D\27[D"
      t:expect "100 %+ 0"
      posix.kill(t:child(), 10)
      assert.matches("^[\b]*$", (t:expect(pattern .. "> 100 %+ 0")))
      assert.equal("1005", t:line "5")
    end
  end)

  it("gives writing back at its end", function()
    local t <close> = session [[evrun -e 'local old = { print, io.write, warn,
      io.stdout.write } require "libevent".spawn(function()
        local same <close> = setmetatable({}, { __close = function()
          io.stderr:write(tostring(print == old[1] and io.write == old[2]
            and warn == old[3] and io.stdout.write == old[4]))
        end })
        require "libevent".sleep(1000)
      end)' -i]]
    t:line "'the task has started'"
    t:type "\4"
    assert.equal("\ntrue", t:finish())
  end)

  it("keeps what is typed while an input runs", function()
    local t <close> = session()
    t:line "ev = require 'libevent'"
    t:line "usr1 = ev.signal('USR1', function() go = true end)"
    t:type "print 'on' repeat ev.sleep(0.001) until go\r"
    t:expect "\non\n"
    t:type "40 + 2\r"
    t:expect "40 %+ 2\n"
    posix.kill(t:child(), 10)
    t:expect "\n42\n> $"
    t:type "print 'on' return io.read()\r"
    t:expect "\non\n"
    t:type "text\n"
    t:expect '\n"text"\n> $'
  end)

  it("waits in an input while a server serves", function()
    local t <close> = session()
    local function serve(name, body)
      t:line(("%s = require 'libevent'.serve('127.0.0.1:0', function(stream) "
        .. "%s end)"):format(name, body))
      return posix.connect(program.port(t:line(name
        .. ":getsockname()"):match '"(.*)"'))
    end
    local one = serve("one", "conn = stream require 'libevent'.sleep(1000)")
    local other = serve("other", "for line in stream:lines() do "
      .. "stream:write(line, '\\n') end")
    t:line "repeat require 'libevent'.sleep(0.001) until conn"
    t:type "print 'on' return conn:read 'l'\r"
    t:expect "\non\n"
    posix.write(other, "echo\n")
    local got = ""
    repeat
      got = got .. (posix.read(other) or "")
    until #got == 5
    posix.write(one, "hello\n")
    t:expect '^"hello"\n> $'
    posix.close(one)
    posix.close(other)
  end)

  it("follows the size of the window", function()
    local t <close> = session()
    t:line "abc = { def1 = 7, def2 = 8, def3 = 9 }"
    t:type "abc.def"
    t:expect "abc.def$"
    t:resize(24, 20)
    t:expect "> abc.def$"
    t:type "\t\t"
    t:expect "abc.def1\nabc.def2\nabc.def3\n> abc.def$"
    t:type "\21print 'on' require 'libevent'.sleep(1000)\r"
    t:expect "\non\n"
    t:resize(24, 80)
    t:type "\3"
    t:expect "canceled\n> $"
    t:type "abc.def\t\t"
    t:expect "abc.def1 +abc.def2 +abc.def3 *\n> abc.def$"
  end)

  it("ends in order when the terminal goes away", function()
    for text, pattern in pairs {
      [""] = "", ["half"] = "half$",
      ["print 'on' require 'libevent'.sleep(1000)\r"] = "\non\n",
    } do
      local name <const> = os.tmpname()
      local t <close> = session(([[evrun -e '
        require "libevent".spawn(function()
          local closed <close> = setmetatable({}, { __close = function()
            io.open(%q, "w"):write "closed":close()
          end })
          require "libevent".sleep(1000)
        end)' -i]]):format(name))
      t:line "'the task has started'"
      t:type(text)
      t:expect(pattern)
      local pid = t:child()
      t:hang_up()
      while runs(pid) do -- luacheck: ignore
      end
      local file <close> = io.open(name)
      assert.equal("closed", file:read "a")
      os.remove(name)
    end
  end)

  it("ends on HUP alone", function()
    local t <close> = session "evrun"
    t:type "half"
    t:expect "half$"
    posix.kill(t:child(), 1)
    t:finish()
  end)

  it("gives the terminal back, however it ends", function()
    for text, pattern in pairs {
      ["\4"] = "", ["12\27[D\27[D\4\4\4"] = "", ["os.exit()\r"] = "",
      [":quit\r"] = "",
      ["require 'libevent'.after(0.001, os.exit) return 1\r"] = "",
      ["half"] = "half$", ["\18se"] = "search",
      ["setmetatable({}, { __gc = function() os.exit() end }) "
        .. "require 'libevent'.after(0, collectgarbage)\r"] = "",
      ["require 'libevent'.after(0.001, function() "
        .. "require 'libevent'.base():close() end) return 1\r"] = "",
    } do
      local t <close> = start "stty -g; evrun; stty -g"
      local mode = t:expect "\n"
      t:expect "> $"
      t:type(text)
      if pattern ~= "" then
        t:expect(pattern)
        posix.kill(t:child(), 15)
      end
      local rest = t:finish()
      assert.equal(mode .. "\n", rest:sub(-#mode - 1), text)
    end
  end)

  it("stops with Ctrl-Z, and goes on", function()
    local t <close> = session "set -m; evrun; echo code $?; fg; echo end"
    t:type "12"
    t:expect "12$"
    t:type "\26"
    t:expect "\ncode %d+\n"
    t:expect "> 12$"
    assert.equal("123", t:line "3")
    t:type "\4"
    assert.matches("\nend\n$", t:finish())
  end)

  it("ends with Ctrl-\\", function()
    local t <close> = session "ulimit -c 0; evrun; test $? = 131"
    t:type "12"
    t:expect "12$"
    t:type "\28"
    t:finish()
  end)

  it("follows a script", function()
    local name = os.tmpname()
    local file <close> = io.open(name, "w")
    file:write "y = (...) .. 'b'"
    file:close()
    local t <close> = session("evrun -e 'x = 41' -i " .. name .. " a")
    assert.equal('42\t"ab"', t:line "x + 1, y")
    os.remove(name)
    local other <close> = session "evrun -e 'x = 41' -i"
    assert.equal("42", other:line "x + 1")
  end)
end)

describe("lines without editing", function()
  local function plain()
    return session [[evrun -e '
      package.preload["libevent.readline"] = error' -i]]
  end

  it("do where libevent cannot watch the terminal", function()
    local t <close> = session("evrun", "LIBEVENT_DEBUG_MODE=1")
    assert.is_true(t:usual())
    assert.equal("2", t:line "1 + 1")
  end)

  it("show values", function()
    local t <close> = plain()
    assert.is_true(t:usual())
    assert.equal("2", t:line "1 + 1")
    t:type "for i = 1, 2 do\n"
    t:expect "\n>> $"
    assert.equal("1\n2", t:line "print(i) end")
    t:type "\4"
    assert.equal("", t:finish())
  end)

  it("take Ctrl-C", function()
    local t <close> = plain()
    t:type "print 'on' while true do end\r"
    t:expect "\non\n"
    t:type "\3"
    t:expect "interrupted\n.*\n> $"
    t:type "print 'on' require 'libevent'.sleep(1000)\r"
    t:expect "\non\n"
    t:type "\3"
    t:expect "canceled\n> $"
    t:type "half"
    t:expect "half$"
    t:type "\3"
    t:expect "\n> $"
    assert.equal("7", t:line "7")
  end)
end)
