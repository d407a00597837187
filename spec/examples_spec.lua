local posix = require "spec.posix"

--- Starts an example; returns a pipe of its output, which begins with its pid.
local function start(name, args)
  local command = "echo $$; exec timeout -s KILL 30 %s examples/%s.lua %s 2>&1"
  local pipe = assert(io.popen(command:format(arg[-1] or "lua5.4", name,
    args or "")))
  return pipe, tonumber(pipe:read "l")
end

--- The process of the example itself, a child of timeout.
local function child(pid)
  local name = ("/proc/%d/task/%d/children"):format(pid, pid)
  local file <close> = assert(io.open(name))
  return tonumber(file:read "n")
end

describe("examples", function()
  it("timer: prints a line each time", function()
    local pipe = start("timer", "3 0.01")
    assert.equal(("sub process!\n"):rep(3), pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("timer: ends well on INT and TERM", function()
    for _, signal in ipairs { 2, 15 } do
      local pipe, pid = start("timer", "1000000 0.01")
      assert.equal("sub process!", pipe:read "l")
      posix.kill(child(pid), signal)
      pipe:read "a"
      assert.same({ true, "exit", 0 }, { pipe:close() })
    end
  end)

  it("signals: reports, reloads and ends", function()
    local pipe, pid = start "signals"
    assert.equal("ready", pipe:read "l")
    local process = child(pid)
    posix.kill(process, 10)
    assert.matches("^USR1: up for %d+%.%d s$", pipe:read "l")
    for i = 1, 2 do
      posix.kill(process, 1)
      assert.equal("HUP: reload " .. i, pipe:read "l")
    end
    posix.kill(process, 15)
    assert.equal("TERM: the end", pipe:read "l")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)
end)
