-- What holds for every object: once closed it refuses all but being closed, it
-- keeps its base, cycles do not keep it, and finalizers may do what they like.

local helper = require "spec.helper"
local libevent = require "libevent"
local objects = require "spec.objects"

local baseless = { socket = true, evbuffer = true }

--- Fails unless an object that is closed refuses everything else.
local function refuses(object, name)
  assert.is_true(object:is_closed(), name)
  assert.matches("^libevent%.%l+: 0x%x+ closed$", tostring(object))
  object:close()
  for method, fn in pairs(debug.getmetatable(object).__index) do
    if method ~= "close" and method ~= "is_closed" then
      local ok, message = pcall(fn, object, 1, 2)
      assert.is_false(ok, name .. ":" .. method)
      assert.matches("attempt to use a closed", message, 1, true, name)
    end
  end
end

--- Calls fn(name, make) for each kind; those that are pending, too, if asked.
local function each(fn, all)
  for name, make in pairs(objects.idle) do
    fn(name, make)
  end
  for name, make in pairs(all and objects.pending or {}) do
    fn(name, make)
  end
end

--- A body for `it` that fails if a descriptor is left.
local function clean(fn)
  return function()
    collectgarbage()
    local before = helper.descriptors()
    fn()
    collectgarbage()
    collectgarbage()
    assert.equal(before, helper.descriptors(), "descriptors left open")
  end
end

describe("every object", function()
  it("refuses everything once it is closed", clean(function()
    each(function(name, make)
      local base <close> = libevent.event_base()
      local object = make(base, print)
      object:close "now"
      refuses(object, name)
    end, true)
  end))

  it("is closed at the end of a block", clean(function()
    each(function(name, make)
      local base <close> = libevent.event_base()
      local outer
      do
        local object <close> = make(base, print)
        outer = object
      end
      refuses(outer, name)
    end)
  end))

  it("refuses everything once its base is closed", clean(function()
    each(function(name, make)
      local base = libevent.event_base()
      local object = make(base, print)
      base:close()
      if not baseless[name] then
        refuses(object, name)
      end
      object:close()
    end, true)
  end))

  it("keeps its base", clean(function()
    each(function(name, make)
      local object = make(libevent.event_base(), print)
      collectgarbage()
      collectgarbage()
      local base = object:base()
      if base then
        assert.equal("empty", base:loop(), name)
        base:close()
      end
      object:close()
    end)
  end))

  it("is collected in a cycle with its callback", clean(function()
    local base <close> = libevent.event_base()
    each(function(name, make)
      local probe = setmetatable({}, { __mode = "k" })
      do
        local object
        object = make(base, function()
          return object
        end)
        probe[object] = true
      end
      helper.collect()
      assert.is_nil(next(probe), name)
    end)
  end))

  it("is collected with its base, though it is pending", clean(function()
    local probe = setmetatable({}, { __mode = "k" })
    do
      local base = libevent.event_base()
      local function callback()
        return base
      end
      each(function(name, make)
        local object = make(base, callback)
        probe[object] = name
        pcall(function()
          object:add(10)
        end)
        pcall(function()
          object:enable "r"
        end)
      end, true)
    end
    for _ = 1, 4 do
      collectgarbage()
    end
    assert.is_nil(next(probe))
  end))

  it("bears what finalizers do to it while the state closes", function()
    helper.prints("", [=[
      local libevent = require "libevent"
      local objects = require "spec.objects"
      local base = libevent.event_base()
      all = { base } -- until the end
      local function nothing() end
      local function call(object, ...)
        tostring(object)
        for name, method in pairs(debug.getmetatable(object).__index) do
          if name ~= "dispatch" then -- which waits
            pcall(method, object, ...)
          end
        end
      end
      -- Finalizers run newest first: some before and some after the objects.
      local function meddler()
        return setmetatable({}, { __gc = function()
          for i = 1, #all do
            call(all[i], "nowait")
            call(all[i], -1, "r", nothing)
            call(all[i], {})
          end
          for _, callback in pairs(require "spec.callbacks") do
            pcall(callback, base, nothing)
          end
        end })
      end
      before = meddler()
      local function hold(...)
        table.move({ ... }, 1, 2, #all + 1, all)
      end
      for _, callback in pairs(require "spec.callbacks") do
        hold(callback(base, nothing))
      end
      for _, kinds in pairs(objects) do
        for name, make in pairs(kinds) do
          local object = make(base, nothing)
          hold(object)
          pcall(function() object:add(10) end)
          pcall(function() object:enable "r" end)
          pcall(function() object:write(("x"):rep(1000000)) end)
        end
      end
      after = meddler()
      base:on_error(nothing)
      base:timer(function() base:loopbreak() end):add(0.003)
      base:loop()
    ]=])
  end)
end)
