local helper = require "spec.helper"
local libevent = require "libevent"

local loop = helper.loop

describe("an error in a callback", function()
  it("ends the loop, which raises the very same value", function()
    local base <close> = libevent.event_base()
    local values = {
      "text", 42, {}, true, false, print,
      setmetatable({}, { __tostring = function() error "tostring" end }),
      setmetatable({}, { __tostring = function() return 1 end }),
    }
    for _, value in ipairs(values) do
      base:timer(function()
        error(value, 0)
      end):add(0)
      local ok, err = pcall(base.loop, base)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      assert.matches("stack traceback", base:traceback())
      assert.equal("empty", base:loop())
    end
    base:timer(function()
      error()
    end):add(0)
    assert.same({ n = 2, false, nil }, table.pack(pcall(base.loop, base)))
  end)

  it("leaves the others pending", function()
    local base <close> = libevent.event_base()
    local called = 0
    for _ = 1, 3 do
      base:timer(function()
        called = called + 1
        error "again"
      end):add(0)
      base:event(-1, "", function()
        called = called + 1
        error "again"
      end):active()
      base:defer(function()
        called = called + 1
        error "again"
      end)
    end
    local errors = 0
    while not pcall(base.loop, base) do
      errors = errors + 1
    end
    assert.equal(9, called)
    assert.equal(9, errors)
  end)

  it("has a traceback that names the line", function()
    local base <close> = libevent.event_base()
    assert.is_nil(base:traceback())
    local line = debug.getinfo(1, "l").currentline + 2
    base:timer(function()
      error "here"
    end):add(0)
    assert.is_false(pcall(base.loop, base))
    assert.matches("callback_spec%.lua:" .. line .. ": here\nstack traceback:",
      base:traceback())
    base:timer(function()
      error {}
    end):add(0)
    assert.is_false(pcall(base.loop, base))
    assert.matches("^%(error object is a table value%)\nstack traceback",
      base:traceback())
  end)

  it("is told to on_error, and the loop goes on", loop(function(base, expect)
    local value, timer = {}, nil
    assert.is_nil(base:on_error(expect(function(err, traceback, object)
      assert.equal(value, err)
      assert.matches("stack traceback", traceback)
      assert.equal(timer, object)
    end)))
    timer = base:timer(expect(function()
      error(value)
    end))
    timer:add(0)
    base:timer(expect()):add(0.005)
  end))

  it("is told with the base for a deferred function",
    loop(function(base, expect)
      base:on_error(expect(function(_, _, object)
        assert.equal(base, object)
      end))
      base:defer(function()
        error "deferred"
      end)
    end))

  it("in on_error itself ends the loop", function()
    local base <close> = libevent.event_base()
    local function complain(err)
      error("on_error: " .. err, 0)
    end
    base:on_error(complain)
    base:timer(function()
      error("first", 0)
    end):add(0)
    local ok, err = pcall(base.loop, base)
    assert.same({ false, "on_error: first" }, { ok, err })
    assert.matches("^on_error: first\nstack traceback", base:traceback())
    assert.equal(complain, base:on_error(nil))
    assert.is_nil(base:on_error())
    assert.equal("empty", base:loop())
  end)

  it("is reported by code that has caught it", function()
    local base <close> = libevent.event_base()
    local err, told = {}, {}
    assert.is_false(base:report(err, "trace", base))
    base:on_error(function(...)
      told[#told + 1] = table.pack(...)
    end)
    assert.is_true(base:report(err, "trace", io.stdout))
    assert.is_true(base:report(nil))
    assert.same({ err, "trace", io.stdout, n = 3 }, told[1])
    assert.same({ nil, nil, base, n = 3 }, told[2])
    assert.equal(err, told[1][1])
    assert.error_matches(function()
      base:report()
    end, "bad argument #1 to 'report' %(value expected%)")
    assert.error_matches(function()
      base:report(1, {})
    end, "bad argument #2 to 'report' %(string expected, got table%)")
  end)

  it("does not stop a coroutine that runs the loop", function()
    local base <close> = libevent.event_base()
    local co = coroutine.create(function()
      base:timer(function()
        coroutine.yield()
      end):add(0)
      local ok, err = pcall(base.loop, base)
      assert.is_false(ok)
      assert.matches("attempt to yield", err)
      return base:loop()
    end)
    assert.same({ true, "empty" }, { coroutine.resume(co) })
  end)

  it("may be a stack overflow #deep", function()
    local base <close> = libevent.event_base()
    local function deep(n)
      return 1 + deep(n + 1)
    end
    base:timer(function()
      deep(1)
    end):add(0)
    local ok, err = pcall(base.loop, base)
    assert.is_false(ok)
    assert.matches("stack overflow", err)
    assert.equal("empty", base:loop())
  end)

  it("may be a loop for whose callbacks the stack has no room #deep",
    function()
      helper.prints("too many results to unpack\nstack overflow\nonce\n", [[
        local base = require "libevent".event_base()
        local came, last = 0, nil
        local timer = base:timer(function() came = came + 1 end)
        local function run(...)
          local why = base:loop "once"
          return why
        end
        for n = 999990, 999800, -5 do
          timer:add(0)
          local _, why = pcall(function()
            return (run(table.unpack({}, 1, n)))
          end)
          why = why:match "[%w ]+$":gsub("^ ", "")
          if why ~= last then print(why) end
          last = why
          assert(came == (why == "once" and 1 or 0))
          if why == "once" then break end
        end
      ]])
    end)

  it("may come from a loop too deep in other loops #deep", function()
    local bases, depth = {}, 0
    local function nest()
      local base = libevent.event_base()
      bases[#bases + 1] = base
      base:timer(nest):add(0)
      depth = depth + 1
      base:loop()
    end
    assert.error_matches(nest, "loops in callbacks of loops are too deep")
    assert.equal(11, depth)
    for _, base in ipairs(bases) do
      base:close()
    end
  end)
end)

describe("os.exit in a coroutine", function()
  it("that a callback runs ends the process in order", function()
    helper.prints("bye\nlast\n", [[
      local libevent = require "libevent"
      local base = libevent.event_base()
      guard = setmetatable({}, { __gc = function() print "last" end })
      for i = 1, 10 do base:timer(print):add(0.1) end
      base:timer(function()
        coroutine.wrap(function()
          print "bye"
          os.exit(0, true)
        end)()
      end):add(0)
      base:loop()
    ]])
  end)
end)

describe("lua_close", function()
  it("closes everything in any order of finalizers", function()
    helper.prints("", [[
      local libevent, posix = require "libevent", require "spec.posix"
      local base = libevent.event_base()
      local r, w = posix.pipe()
      local objects = {}
      -- Finalizers run newest first: some before and some after the objects.
      local function meddler()
        return setmetatable({}, { __gc = function()
          for _, object in ipairs(objects) do
            pcall(object.add, object, 0)
            pcall(object.del, object)
            pcall(object.add, object, 1)
            tostring(object)
          end
          pcall(function() base:defer(function() end) end)
          pcall(base.loop, base, "nowait")
          pcall(base.timer, base, print)
        end })
      end
      before = meddler()
      for i = 1, 5 do
        objects[#objects + 1] = base:timer(function() end)
        objects[#objects + 1] = base:event(w, "wp", function() end)
        objects[#objects + 1] = base:signal("USR1", function() end)
        objects[#objects]:add()
      end
      after = meddler()
      base:timer(function() base:loopbreak() end):add(0)
      base:loop()
    ]])
  end)
end)
