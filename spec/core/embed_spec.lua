local helper = require "spec.helper"
local interpreter = require "spec.interpreter"

--- Runs one of the programs that embed Lua.
local function program(name, args)
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' timeout -s KILL 240 "
    .. "%s%s/spec/%s %s 2>&1"):format(package.path, package.cpath,
    interpreter.before, helper.build, name, args or "")
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  local _, how, number = pipe:close()
  return output, how, number
end

describe("a program that embeds Lua", function()
  it("has two states, and closes one in a callback of the other or of itself",
    function()
      assert.same({ "ok\n", "exit", 0 }, { program "two_states" })
    end)

  it("owns an event_base, runs it and lends it", function()
    assert.same({ "ok\n", "exit", 0 }, { program "host_loop" })
  end)

  for _, what in ipairs { "memory", "echo" } do
    it("survives the failure of each allocation of " .. what .. " #load",
      function()
        local output, how, number = program("memory",
          ("spec/host/%s.lua"):format(what))
        assert.same({ "exit", 0 }, { how, number }, output)
        for _, way in ipairs { "once", "from then on" } do
          local failed = output:match("(%d+) allocations failed " .. way)
          assert.is_true(tonumber(failed) > 100)
        end
      end)
  end
end)
