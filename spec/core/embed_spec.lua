local helper = require "spec.helper"
local interpreter = require "spec.interpreter"

-- It comes too late where a host has an event_base already, and ends a process
-- without memory.
local no_debug_mode = "env -u LIBEVENT_DEBUG_MODE "

--- Runs one of the programs that embed Lua.
---@param name string
---@param args? string
---@param before? string
local function program(name, args, before)
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' %s timeout -s KILL 240 "
    .. "%s%s/spec/%s %s 2>&1"):format(package.path, package.cpath,
    before or "", interpreter.before, helper.build, name, args or "")
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
    assert.same({ "ok\n", "exit", 0 },
      { program("host_loop", "", no_debug_mode) })
  end)

  it("ends with what libevent says where that cannot go on", function()
    local output, how, number = program("host_loop", "",
      "LIBEVENT_DEBUG_MODE=1")
    assert.matches("^libevent: event_enable_debug_mode must be called", output)
    assert.same({ "exit", 134 }, { how, number })
  end)

  for _, what in ipairs { "memory", "echo" } do
    it("survives the failure of each allocation of " .. what .. " #load",
      function()
        local output, how, number = program("memory",
          ("spec/host/%s.lua"):format(what), no_debug_mode)
        assert.same({ "exit", 0 }, { how, number }, output)
        for _, way in ipairs { "once", "from then on" } do
          local failed = output:match("(%d+) allocations failed " .. way)
          assert.is_true(tonumber(failed) > 100)
        end
      end)
  end
end)
