-- The memory of objects, which is not that of their userdata.

local helper = require "spec.helper"
local libevent = require "libevent"
local objects = require "spec.objects"

local run = helper.run

--- KiB that Lua has when all that is garbage is gone.
local function used()
  helper.collect()
  return collectgarbage "count"
end

--- The same while there are many objects; none of them is left on the stack.
local function used_by(make)
  return coroutine.wrap(function()
    local list = {}
    for i = 1, 2000 do
      list[i] = make()
    end
    return used(), list
  end)()
end

describe("the memory of objects", function()
  it("is given back, all but a rest for the next ones", run(function(base)
    for name, make in pairs {
      event = function() return base:event(-1, "", print) end,
      evbuffer = function() return libevent.evbuffer() end,
      ["end of a pair"] = function() return (base:pair()) end,
      condition = function() return base:condition() end,
    } do
      local before = used()
      local full = (used_by(make))
      assert.is_true(full - before > 100, name)
      assert.is_true(used() - before < (full - before) / 10, name)
    end
  end))

  it("is not that of the next one for whoever brings a userdata back",
    run(function(base)
      for name, make in pairs(objects.idle) do
        local kept = {}
        do
          local object = make(base, print)
          setmetatable({}, { __gc = function()
            kept[#kept + 1] = object
          end })
        end
        helper.collect()
        assert.equal(1, #kept, name)
        local nexts = {}
        for i = 1, 10 do
          nexts[i] = make(base, print)
        end
        assert.equal(name ~= "timer", kept[1]:is_closed(), name)
        kept = nil
        for _, object in ipairs(nexts) do
          assert.is_false(object:is_closed(), name)
          object:close()
        end
      end
    end))
end)
