local helper = require "spec.helper"

describe("the C stack", function()
  it("is not used up by loops deep in coroutines", function()
    helper.prints("raised\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      posix.nofile(1024)
      local function deep(n, fn)
        if n == 0 then return fn() end
        string.gsub("x", "x", function() deep(n - 1, fn) end)
      end
      local function level(n)
        for k = 190, 1, -4 do
          local entered
          local ok, err = coroutine.resume(coroutine.create(function()
            deep(k, function()
              entered = true
              local base <close> = libevent.event_base()
              base:timer(function() level(n + 1) end):add(0)
              base:loop()
            end)
          end))
          if entered then
            if not ok then error(err, 0) end
            return
          end
        end
      end
      local ok, err = pcall(level, 1)
      assert(not ok and err:find "too deep", err)
      print "raised"
    ]])
  end)
end)
