local helper = require "spec.helper"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run

local prelude = [[
local libevent, posix = require "libevent", require "spec.posix"
io.stdout:setvbuf "no"
]]

local Script = {}
Script.__index = Script

function Script:__close()
  self.err:close()
  self.input:close()
  if not self.process:status() then
    self.process:kill "KILL"
    self.process:wait()
  end
end

--- Starts a script, and waits for a line of it. After that the process is where
-- it hangs, or is about to be.
local function start(base, code)
  local name, _ <close> = helper.temporary(prelude .. code)
  local input, their_input = assert(libevent.socketpair())
  local out, their_out = assert(libevent.socketpair())
  local err, their_err = assert(libevent.socketpair())
  local process = assert(base:process(
    { "sh", "-c", "exec " .. interpreter.lua .. " " .. name },
    { fds = { [0] = their_input, [1] = their_out, [2] = their_err },
      limits = { core = 0 } }))
  for _, socket in ipairs { their_input, their_out, their_err } do
    socket:close()
  end
  local output <close> = base:stream(out)
  local line = assert(output:read())
  return setmetatable({ process = process, line = line,
    input = base:stream(input), err = base:stream(err) }, Script)
end

--- What a script has written whose end is a signal.
local function ended(self, signal)
  local how, what = self.process:wait()
  assert.same({ "signal", signal }, { how, what })
  return assert(self.err:read "a")
end

--- Sends one signal to a script that hangs; returns what it writes.
local function once(base, code, signal)
  local self <close> = start(base, code)
  assert(self.process:kill(signal or "ABRT"))
  return ended(self, signal or "ABRT")
end

--- Sends signals until the script ends; `clean` is told its line.
local function often(base, code, clean)
  local self <close> = start(base, code)
  repeat
    self.process:kill "ABRT"
    libevent.sleep(0.01)
  until self.process:status()
  if clean then
    clean(self.line)
  end
  return ended(self, "ABRT")
end

--- The lines of the script that a traceback names, counted from behind the
-- prelude.
local function lines(text)
  local list = {}
  for line in text:gmatch "\n\t[^\n]-:(%d+)" do
    list[#list + 1] = tonumber(line) - 2
  end
  return list
end

local function first(text)
  return text:match "^[^\n]*"
end

describe("libevent.traceback_on", function()
  it("tells where a task hangs", run(function(base)
    local text = once(base, [[
      local function endless()
        print "ready" while true do end
      end
      local function nested()
        endless()
        return 1
      end
      libevent.traceback_on "ABRT"
      libevent.run(function()
        libevent.spawn(function()
          nested()
        end):name "hangs"
      end)
    ]])
    assert.equal("libevent: signal ABRT; the task 'hangs' runs here:",
      first(text))
    assert.matches("\nstack traceback:\n", text)
    assert.same({ 2, 5, 11 }, lines(text))
    assert.matches("in upvalue 'endless'", text)
  end))

  it("tells it where the task has no name, and catches errors", run(
    function(base)
      local text = once(base, [[
        libevent.traceback_on "SIGABRT"
        libevent.run(function()
          repeat
            local ok = pcall(function()
              print "ready" while true do end
            end)
          until ok
        end)
      ]])
      assert.matches("^libevent: signal ABRT; .+ runs here:\n", text)
      assert.equal(5, lines(text)[1])
      assert.matches("'pcall'", text)
    end))

  it("tells where coroutines of a task hang", run(function(base)
    local text = once(base, [[
      libevent.traceback_on "ABRT"
      libevent.run(function()
        libevent.spawn(function()
          local co = coroutine.create(function()
            coroutine.wrap(function()
              print "ready" while true do end
            end)()
          end)
          coroutine.resume(co)
        end):name "hangs"
      end)
    ]])
    assert.matches("the task 'hangs' runs here:", first(text))
    assert.same({ 6, 5, 9 }, lines(text))
    local _, n = text:gsub("\nresumed from:\nstack traceback:\n", "")
    assert.equal(2, n)
  end))

  it("tells where code hangs without a base", run(function(base)
    local text = once(base, [[
      libevent.traceback_on "USR1"
      print "ready" while true do end
    ]], "USR1")
    assert.equal("libevent: signal USR1; Lua code runs here:", first(text))
    assert.same({ 2 }, lines(text))
    text = once(base, [[
      libevent.traceback_on(6)
      coroutine.wrap(function()
        print "ready" while true do end
      end)()
    ]])
    assert.same({ 3, 2 }, lines(text))
  end))

  it("tells where callbacks hang, in loops within loops, too", run(
    function(base)
      local text = once(base, [[
        libevent.traceback_on "ABRT"
        local base, other = libevent.event_base(), libevent.event_base()
        base:task(function()
          other:timer(function()
            print "ready" while true do end
          end):add(0)
          other:loop()
        end)
        base:loop()
      ]])
      assert.equal(5, lines(text)[1])
      text = once(base, [[
        libevent.traceback_on "ABRT"
        local base = libevent.event_base()
        base:timer(function()
          print "ready" while true do end
        end):add(0)
        coroutine.wrap(function()
          base:loop()
        end)()
      ]])
      assert.equal(4, lines(text)[1])
    end))

  it("tells of a C function that does not return", run(function(base)
    local text = often(base, [[
      libevent.traceback_on "ABRT"
      libevent.run(function()
        local function sleep()
          os.execute "echo $$; exec sleep 100"
          return 1
        end
        coroutine.wrap(function()
          sleep()
        end)()
      end)
    ]], function(pid)
      posix.kill(math.tointeger(pid), 9)
    end)
    assert.equal("libevent: signal ABRT; a C function does not return; "
      .. "it was called here:", first(text))
    assert.matches("^[^\n]*\n\t%[C%]\n\t/[^\n]+:6\n\t/[^\n]+:10\n"
      .. "resumed from:\n\t%[C%]\n\t/[^\n]+:9\n", text)
  end))

  it("tells of code that hooks do not reach", run(function(base)
    local text = often(base, [[
      libevent.traceback_on "ABRT"
      setmetatable({}, { __gc = function()
        print "ready" while true do end
      end })
      collectgarbage()
    ]])
    assert.equal("libevent: signal ABRT; Lua code that no hook reaches "
      .. "runs here:", first(text))
    assert.same({ 3, 5 }, lines(text))
  end))

  it("tells that a loop waits", run(function(base)
    local self <close> = start(base, [[
      libevent.traceback_on "URG"
      libevent.run(function()
        print "ready"
        libevent.sleep(100)
      end)
    ]])
    local killer = libevent.spawn(function()
      while self.process:kill "URG" do
        libevent.sleep(0.01)
      end
    end)
    for line in self.err:lines() do
      if line == "libevent: signal URG; no Lua code runs, the loop waits" then
        break
      end
    end
    killer:cancel()
  end))
end)

--- How scripts run what comes next: in a task, or in a callback.
local served = {
  { 10, [[
    base:task(function()
      local event = base:event(0, "r")
      repeat
        local what = event:wait()
        next()
      until not what
    end)
  ]] },
  { 3, "base:event(0, 'rp', next):add()\n" },
}

describe("libevent.traceback_on, where the loop waits,", function()
  it("tells with what runs next", run(function(base)
    for _, case in ipairs(served) do
      local line, code = table.unpack(case)
      local self <close> = start(base, [[
        local base = libevent.event_base()
        local function next()
          posix.read(0)
          io.stderr:write "next\n"
        end
      ]] .. code .. [[
        libevent.traceback_on "URG"
        print "ready"
        base:loop()
      ]])
      repeat -- it may not wait yet
        libevent.sleep(0.02)
        self.process:kill "URG"
        self.input:write "x"
        local text = self.err:readuntil("next\n")
        assert.matches("^libevent: signal URG; .* here:\n", text)
      until lines(text)[1] == line
    end
  end))
end)

--- Runs a script, whose errors go where its output goes.
local function script(code)
  return helper.script(prelude .. code, "ulimit -c 0;")
end

local function prints(output, code)
  helper.prints(output, prelude .. code)
end

describe("libevent.traceback_on", function()
  it("lets go on what the signal does not end", function()
    for _, signal in ipairs { "URG", "CHLD" } do
      local text, how, code = script(([[
        local number = %d
        assert(libevent.traceback_on(number))
        for i = 1, 2 do
          posix.raise(number)
          io.stderr:write("and on ", i, "\n")
        end
        os.exit(3, true)
      ]]):format(signal == "URG" and 23 or 17))
      assert.same({ "exit", 3 }, { how, code })
      local told = "libevent: signal " .. signal .. "; Lua code runs here:\n"
        .. "stack traceback:\n\t[^\n]+:%d: in main chunk\n\t[^\n]+\n"
      assert.matches("^" .. told .. "and on 1\n" .. told .. "and on 2\n$",
        text)
    end
  end)

  it("keeps hooks that are there", function()
    local text = script [[
      local n = 0
      local function count()
        n = n + 1
      end
      debug.sethook(count, "", 10)
      libevent.traceback_on "URG"
      for _ = 1, 3 do
        posix.raise(23)
        for _ = 1, 1000 do end
      end
      local fn, mask, every = debug.gethook()
      assert(fn == count and mask == "" and n > 3 * 50)
      io.stderr:write("every ", every)
    ]]
    local _, told = text:gsub("signal URG", "")
    assert.equal(3, told)
    assert.matches("every 10$", text)
    text = script [[
      libevent.traceback_on "URG"
      libevent.run(function()
        local task = libevent.base():task(function()
          posix.raise(23)
          coroutine.wrap(function()
            posix.raise(23)
            while true do end
          end)()
        end)
        task:limit(100000)
        io.stderr:write(tostring(select(2, pcall(task.wait, task))))
      end)
    ]]
    _, told = text:gsub("signal URG; a task runs", "")
    assert.equal(2, told)
    assert.matches(":%d+: stopped: too many instructions$", text)
  end)

  it("leaves no hook where there was none", function()
    local text = script [[
      libevent.traceback_on "URG"
      posix.raise(23)
      libevent.run(function()
        posix.raise(23)
        io.stderr:write(tostring(debug.gethook()), "\n")
      end)
      io.stderr:write(tostring(debug.gethook()))
    ]]
    if not helper.stress then
      assert.matches("here:\n.*nil\nnil$", text)
    end
  end)

  it("is for one signal: another takes its place, and none ends it", function()
    for _, ending in ipairs { "", "'URG'", "nil" } do
      local text, how, code = script(([[
        assert(libevent.traceback_on "USR1")
        assert(libevent.traceback_on "USR1")
        assert(libevent.traceback_on(%s))
        posix.raise(10)
      ]]):format(ending))
      assert.is_nil(text:find "libevent")
      assert.is_true(how == "signal" and code == 10 or code == 128 + 10)
    end
  end)

  it("gives back what the signal did before", function()
    prints("end\n", [[
      assert(libevent.posix.ignore "USR1")
      assert(libevent.traceback_on "USR1")
      libevent.traceback_on()
      posix.raise(10)
      print "end"
    ]])
  end)

  it("ends with the Lua state", function()
    local text = helper.script [[
      local posix = require "spec.posix"
      setmetatable({}, { __gc = function()
        posix.raise(23)
        io.stderr:write "end"
      end })
      local libevent = require "libevent"
      libevent.traceback_on "URG"
      os.exit(0, true)
    ]]
    assert.equal("end", text)
  end)

  it("is not for a forked child, which may ask again", function()
    local text = script [[
      libevent.traceback_on "URG"
      local pid = posix.fork()
      if pid == 0 then
        posix.raise(23)
        io.stderr:write "child\n"
        libevent.traceback_on "URG"
        posix.raise(23)
        io.stderr:write "child\n"
        posix.exit(0)
      end
      posix.wait(pid)
      posix.raise(23)
      io.stderr:write "parent\n"
    ]]
    assert.matches("^child\nlibevent: signal URG.-\nchild\n"
      .. "libevent: signal URG.-\nparent\n$", text)
  end)

  it("is not for a signal that is watched, nor the other way", helper.loop(
    function(base)
      local EBUSY = libevent.errno.EBUSY
      local signal <close> = base:signal("URG", print)
      assert(signal:add())
      assert.same({ nil, "traceback_on: Device or resource busy", EBUSY },
        { libevent.traceback_on "URG" })
      signal:del()
      assert.is_true(libevent.traceback_on "URG")
      assert.same({ nil, "evsignal_add: Device or resource busy", EBUSY },
        { signal:add() })
      assert.same({ nil, "ignore: Device or resource busy", EBUSY },
        { libevent.posix.ignore "URG" })
      assert.is_true(libevent.traceback_on())
      assert.is_true(signal:add())
    end))

  it("is not for signals that cannot be caught", function()
    for _, name in ipairs { "KILL", "STOP" } do
      assert.same({ nil, "traceback_on: Invalid argument",
        libevent.errno.EINVAL }, { libevent.traceback_on(name) })
    end
  end)

  it("refuses bad arguments", function()
    helper.badargs(function(_, ...)
      return libevent.traceback_on(...)
    end, nil, "?signal")
  end)
end)
