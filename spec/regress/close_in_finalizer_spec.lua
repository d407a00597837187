local helper = require "spec.helper"

describe("a finalizer that closes", function()
  it("what tostring is about to describe", function()
    helper.prints("", [[
      local libevent = require "libevent"
      collectgarbage("incremental", 100, 1000, 1)
      for _ = 1, 2000 do
        local base = libevent.event_base()
        do
          local _ = setmetatable({}, { __gc = function() base:close() end })
        end
        for _ = 1, 400 do
          if base:is_closed() then break end
          tostring(base)
        end
        base:close()
      end
    ]])
  end)

  it("what was collected with it, in a loop of its own", function()
    helper.prints("", [[
      local libevent = require "libevent"
      do
        local base = libevent.event_base()
        local meddler = setmetatable({}, { __gc = function()
          base:timer(function() base:close() end):add(0)
          base:loop()
        end })
        meddler.event = base:event(-1, "", print)
        meddler.event:add(100)
        base:signal("USR1", print):add()
      end
      collectgarbage()
      collectgarbage()
    ]])
  end)

  it("what it makes itself, after the state was closed", function()
    helper.prints("true\n", [[
      last = setmetatable({}, { __gc = function()
        local one, other = require "libevent".socketpair()
        one:close()
        other:close()
        print(other:is_closed())
      end })
      require "libevent"
    ]])
  end)
end)
